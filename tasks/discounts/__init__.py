"""The tasks that list, move, extend and end discounts, and end subscriptions."""
