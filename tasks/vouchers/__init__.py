"""Create, retrieve, list, update and retire vouchers, and forecast the costs of their discounts."""
