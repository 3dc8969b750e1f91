"""The child's side of a batch of messages: decide them together, and find a message that cannot be decided."""
