"""Record usage and stamps, and list usage by customer."""
