"""`scrip_client` signs what it sends, by both algorithms, alone and with others."""

from collections.abc import Iterator

import pytest

from scrip_client import Client, NotAllowed, SigningKey
from tests.clients.conftest import senders_url
from tests.signing.conftest import SIGNED, Signed
from tests.signing.signing import Key
from tests.support.requests import create_voucher, redemption


def signing_key(key: Key) -> SigningKey:
    """Return a key as the client takes it."""
    return SigningKey(key.name, key.own()["secret"], algorithm=key.algorithm)


@pytest.fixture(params=["gigs", "acme"])
def project(request: pytest.FixtureRequest) -> str:
    """Return the project of a key: of HMAC and of Ed25519."""
    name: str = request.param
    return name


@pytest.fixture
def client(signed: Signed, project: str) -> Iterator[Client]:
    """Yield a client that signs with the project's key."""
    key = signing_key(getattr(signed, project))
    with Client(senders_url(signed.worker.environment, number=SIGNED), key=key, timeout=60) as client:
        yield client


def test_a_signed_message_is_answered(client: Client, project: str):
    """Alone, and as one of many."""
    create_voucher(code="SUMMER", project=project)
    first, second, third = (redemption(code="SUMMER", project=project, subscription=f"sub_{each}") for each in range(3))
    assert client.redemptions.redeem(first)["outcome"] == "accepted"
    answers = client.answers(client.redemptions.redeem.send_many([second, third]), timeout=60)
    assert [isinstance(each, dict) and each["outcome"] for each in answers] == ["accepted", "accepted"]


def test_a_key_sends_for_its_projects_only(client: Client):
    """Both kinds of sending are refused."""
    with pytest.raises(NotAllowed):
        client.redemptions.redeem(redemption(project="globex"))
    (refused,) = client.answers(client.redemptions.redeem.send_many([redemption(project="globex")]), timeout=60)
    assert isinstance(refused, NotAllowed)


def test_a_secret_is_not_shown():
    """Not even where a program prints the key."""
    assert "c2VjcmV0" not in repr(SigningKey("shop-1", "c2VjcmV0"))


def test_another_algorithm_is_an_error():
    """It is found before anything is sent."""
    with pytest.raises(ValueError, match="the algorithm must be"):
        SigningKey("shop-1", "c2VjcmV0", algorithm="rsa")
