"""The way to the broker: fetch messages, acknowledge them, wait for more, publish."""
