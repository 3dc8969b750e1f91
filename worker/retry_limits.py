"""The limits of a task's retries: their number, and the longest wait between two of them."""

# The backoff grows to a minute and, with jitter, averages 30 s: 10,000 retries outlast an outage of three days.
# The limit also stops a message that kills every worker, which would otherwise be redelivered for ever.
RETRIES_MAX = 10_000
RETRY_BACKOFF_MAX_SECONDS = 60
