"""Discount invoices, preview coming ones, and reverse discounted ones."""
