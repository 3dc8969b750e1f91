"""The scheduled sweep that retires expired and full vouchers."""
