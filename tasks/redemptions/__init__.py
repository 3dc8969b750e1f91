"""Redeem vouchers, hold places for customers, and validate a redemption in advance."""
