"""The tasks that apply discounts to invoices, preview coming invoices, and reverse discounted invoices."""
