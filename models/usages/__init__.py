"""Usage that was recorded without an invoice, and the usage of a voucher by customer."""
