"""Codes: the table, the queries, and the generations that drew them."""
