"""Discounts: grants to subscriptions, and their progress."""
