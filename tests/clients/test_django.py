"""`scrip_client.django` sends after COMMIT, and nothing that is rolled back."""

from collections.abc import Iterator

import django
import pytest
from django.conf import settings
from django.db import connection, transaction

from scrip_client import Client
from scrip_client.django import on_commit
from tests.clients.conftest import UNREAD, senders_url
from tests.end_to_end.broker import Broker
from tests.support.requests import redemption


@pytest.fixture(scope="module", autouse=True)
def _django() -> Iterator[None]:
    """Give Django a database in memory."""
    if not settings.configured:
        settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
        django.setup()
    yield
    connection.close()


def test_a_request_is_sent_after_commit(environment: dict[str, str], unread: Broker):
    """Not before, and not after a rollback."""
    with Client(senders_url(environment, number=UNREAD)) as client:
        with transaction.atomic():
            on_commit(client.redemptions.redeem, redemption())
            assert unread.waiting("redemptions") == 0
        assert unread.waiting("redemptions") == 1
        with transaction.atomic():
            on_commit(client.redemptions.redeem, redemption())
            transaction.set_rollback(True)
        assert unread.waiting("redemptions") == 1
