"""Where children are not processes, Celery runs each message, and publishes it again to retry it."""

import pytest
from celery.exceptions import Reject

from tests.support.tasks import task_named


@pytest.mark.usefixtures("environment")
def test_a_message_whose_retry_cannot_be_published_goes_back() -> None:
    """Celery alone would reject the message for good."""
    task = task_named("redemptions.redeem")
    task.push_request(id="task-1", called_directly=False, is_eager=False, retries=0, delivery_info={})
    try:
        with pytest.raises(Reject) as rejected:
            task.retry(exc=ConnectionError(), queue="nowhere")
    finally:
        task.pop_request()
    assert rejected.value.requeue
