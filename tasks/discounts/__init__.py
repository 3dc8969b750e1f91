"""List and end discounts, and end subscriptions."""
