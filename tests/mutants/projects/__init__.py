"""Mutants without one condition on the project, room by room: two projects that use the same ids must notice."""
