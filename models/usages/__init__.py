"""Usage that was recorded without an invoice, and usage by customer."""
