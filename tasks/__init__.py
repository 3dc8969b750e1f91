"""The use cases, one module for each aggregate. A task opens the transaction, makes one call and returns."""
