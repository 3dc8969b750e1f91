"""The tables of vouchers and their budgets, their queries, and the conversion of rows to the values of the rules."""
