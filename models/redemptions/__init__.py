"""Redemptions, holds, and the places that were given back."""
