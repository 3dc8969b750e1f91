"""The use cases, in a package for each subject. A task opens a transaction, makes a single call and returns."""
