"""The way of a message through a worker: check it, gather it into a batch, send that to a child, store the answer."""
