"""Access to the broker: fetch and acknowledge messages, wait for new messages, publish."""
