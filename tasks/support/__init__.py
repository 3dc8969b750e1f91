"""Explain to a person what became of a customer, a subscription or an invoice."""
