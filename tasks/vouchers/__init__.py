"""Create, retrieve, list, update and retire vouchers; forecast the costs of their discounts."""
