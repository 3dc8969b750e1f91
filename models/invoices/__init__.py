"""The ledger of discounted invoices, and the reversals of ledger entries."""
