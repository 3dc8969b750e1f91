"""The demo: the whole system on example data, with every answer compared."""
