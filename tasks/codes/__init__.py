"""Add, generate, list and retire codes."""
