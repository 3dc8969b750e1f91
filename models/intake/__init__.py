"""Attempts to decide a message, dead letters, and the stored answers of writes without a row of their own."""
