"""The exchange of revoked ids with the other workers, which a worker that has lost its connection does not wait for."""

from threading import Thread
from typing import Any

from celery.utils.log import get_logger
from celery.worker.consumer.mingle import Mingle as CeleryMingle

logger = get_logger(__name__)

# Celery's own. A worker cannot know how many others there are, so this is how long the exchange takes.
ANSWER_SECONDS = 1
# If the broker was away, the others have lost their connections too. After this time they are back.
OTHERS_ARE_BACK_SECONDS = 2


class Mingle(CeleryMingle):
    """Celery's step of a consumer that asks the other workers which tasks were revoked.

    At its start, a worker waits for their answers, since it knows of no revocation. After the loss of a connection, it
    only lacks those of the meantime, so it works while a thread waits.
    """

    has_waited = False

    def start(self, c: Any) -> None:
        """Ask, and wait for the answers only if the worker has never had them."""
        if self.has_waited and c.hub is not None:
            c.hub.call_later(OTHERS_ARE_BACK_SECONDS, self.ask_beside, c)
            return
        try:
            super().start(c)
        except c.channel_errors as error:
            # The broker is full, and the worker would connect again for as long as that lasts.
            logger.warning("could not ask other workers for revoked tasks: %s", type(error).__name__)
        self.has_waited = True

    def ask_beside(self, c: Any) -> None:
        """Ask in a thread."""
        revoked = list(c.controller.state.revoked)
        Thread(target=self.ask, args=(c, revoked), name="mingle", daemon=True).start()

    def ask(self, c: Any, revoked: list[str]) -> None:
        """Tell the others which tasks were revoked, and have the loop note their answers."""
        try:
            with c.app.connection_for_write() as connection:
                inspect = c.app.control.inspect(timeout=ANSWER_SECONDS, connection=connection)
                answers = inspect.hello(c.hostname, revoked) or {}
        except (*c.connection_errors, *c.channel_errors) as error:
            # The connection is lost again. The worker asks after the next one.
            logger.info("could not ask other workers for revoked tasks: %s", type(error).__name__)
            return
        for node, answer in answers.items():
            if node != c.hostname and answer:
                c.hub.call_soon(self.on_node_reply, c, node, answer)
