"""The commands of the operator, over the use cases of the tasks."""
