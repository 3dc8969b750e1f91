"""Delete what was kept long enough: refused requests, dead letters, stored answers and the keys of erasures."""
