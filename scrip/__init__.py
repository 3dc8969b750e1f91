"""The command line, the embedded stack for development, and the demo."""
