"""The child's side of a batch of messages: decide them together, and find the one that cannot be decided."""
