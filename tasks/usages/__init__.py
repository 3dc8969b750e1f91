"""Record usage and stamps, and list the usage of a voucher by customer."""
