"""How often a task is retried, and how long it waits in between."""

# Retries back off to a minute, half of it on average: ten thousand of them outlast an outage of three days.
# The same number bounds a message that kills its worker, which would otherwise come back for ever.
RETRIES_MAX = 10_000
RETRY_BACKOFF_MAX_SECONDS = 60
