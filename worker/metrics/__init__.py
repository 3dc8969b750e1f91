"""The metrics: their definitions, and the counters that workers keep in files."""
