"""Erase a customer: a pseudonym takes the place of the customer's id in every row."""
