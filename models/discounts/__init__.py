"""Discounts that subscriptions were granted, and the progress of each."""
