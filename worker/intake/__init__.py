"""The life of a message in a worker: check, gather, send the batch to a child, store the answers, acknowledge."""
