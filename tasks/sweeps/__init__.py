"""The scheduled sweep: it retires vouchers and codes, completes discounts and lapses holds that are due."""
