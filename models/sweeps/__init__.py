"""The updates of a sweep, and a row for each run."""
