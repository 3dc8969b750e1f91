"""Vouchers and their budgets: the tables, the queries, and the rows as values of the rules."""
