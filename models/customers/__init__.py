"""Erasures of customers: the pseudonym that takes a customer's place in every table."""
