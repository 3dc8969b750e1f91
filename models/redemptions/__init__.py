"""Redemptions, holds, and the places that redemptions have returned."""
