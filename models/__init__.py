"""The tables, their constraints, and the few queries on them. Nothing here begins or ends a transaction."""
