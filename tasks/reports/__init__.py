"""Sums of the ledger and of redemptions, for finance and marketing."""
