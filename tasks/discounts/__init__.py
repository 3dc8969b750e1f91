"""The tasks that list and end discounts, and end subscriptions."""
