"""`scrip metrics`: an HTTP server that Prometheus scrapes."""
