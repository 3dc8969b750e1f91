"""Rows that are kept for a limited time only, if the operator wants that."""
