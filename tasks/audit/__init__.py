"""The audit: queries that find every row that breaks a promise."""
