"""The use cases, a room for each subject. A task opens the transaction, makes one call and returns."""
