"""What a child process does once, when it has been forked."""

import gc

from celery.signals import worker_process_init

# A batch of 500 makes tens of thousands of objects that live until it ends. By default Python looks at them again
# after every 700 new ones: that was a sixth of the time that a batch took on the client.
GARBAGE_THRESHOLD = 50_000


@worker_process_init.connect
def configure(**_: object) -> None:
    """This function will let the garbage collector leave alone what was there before the fork, and look less often."""
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
