"""A worker shows the ids in a message and no other value, no matter what the sender wrote into the headers."""

import ast
import json
from collections.abc import Iterator

import pytest
from celery import Celery
from celery.exceptions import InvalidTaskError
from hypothesis import given
from hypothesis import strategies as st
from kombu import Message

from worker.intake.shown_request import Request, summary

# Not a task of ours, because those are known to every app of the process.
TASK = "example.task"
VOUCHER = "vou_01h455vb4pex5vsknk084sn02q"
REDEEM = {
    "project": "gigs",
    "requestId": "order-1001",
    "code": "SECRET-CODE",
    "customer": "cus_1",
    "subscription": "sub_1",
    "currency": "USD",
    "subtotal": 12_000,
}
REDEEM_IDS = "{'project': 'gigs', 'requestId': 'order-1001', 'customer': 'cus_1', 'subscription': 'sub_1'}"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["request", "requests"]), inner),
)


@pytest.fixture
def app() -> Iterator[Celery]:
    """Yield an app with one task, which connects to nothing."""
    app = Celery("test", set_as_current=False)

    @app.task(name=TASK, Request=Request, shared=False)
    def example() -> None:
        """Do nothing."""

    yield app
    app.close()


def received(app: Celery, *, body: object, **headers: str) -> Request:
    """Return the request that a worker makes of a message of protocol 2."""
    message = Message(
        body=json.dumps(body),
        content_type="application/json",
        content_encoding="utf-8",
        headers={"id": "1", "task": TASK} | headers,
        accept={"application/json"},
    )
    return Request(message, app=app)


def test_a_request_shows_the_callers_ids_in_camel_case_and_in_snake_case() -> None:
    """Adapters spell the fields in snake_case."""
    snake = {"request_id" if field == "requestId" else field: value for field, value in REDEEM.items()}
    assert summary({"request": REDEEM}) == summary({"request": snake}) == REDEEM_IDS


def test_a_hold_is_shown_by_its_id_alone() -> None:
    """A value that is no id of a hold is not shown."""
    hold = VOUCHER.replace("vou", "hol")
    assert summary({"request": {"project": "gigs", "hold": hold}}) == f"{{'project': 'gigs', 'hold': '{hold}'}}"
    for other in ("SECRET-CODE", VOUCHER):
        assert summary({"request": {"hold": other}}) == "{}"


def test_a_code_is_never_shown_even_where_the_vouchers_id_belongs() -> None:
    """A code is a secret, because anyone who knows the code can redeem. Only an id is shown as the voucher."""
    assert summary({"request": {"voucher": "SECRET-CODE", "code": "SECRET-CODE"}}) == "{}"
    assert summary({"request": {"voucher": VOUCHER}}) == f"{{'voucher': '{VOUCHER}'}}"
    uuid = "018f2f5d-9c96-7a1e-8f5e-3b9d0a2c4e6f"
    assert summary({"request": {"voucher": uuid}}) == f"{{'voucher': '{uuid}'}}"


def test_the_ids_of_other_systems_are_shown_under_our_names() -> None:
    """Of a request to import a coupon only the project is shown, because the coupon's id is a code."""
    uuid = "018f2f5d-9c96-7a1e-8f5e-3b9d0a2c4e6f"
    expected = f"{{'project': 'P12345678', 'voucher': '{uuid}'}}"
    assert summary({"request": {"id": uuid, "organization_id": "P12345678", "code": "SECRET"}}) == expected
    assert summary({"request": {"did": uuid, "aid": "P12345678", "starting_after": "SECRET"}}) == expected
    assert summary({"request": {"id": "SECRET-CODE", "did": "SECRET-CODE"}}) == "{}"
    assert summary({"request": {"project": "gigs", "coupon": {"id": "SECRET"}}}) == "{'project': 'gigs'}"


def test_a_bulk_request_shows_its_count_and_its_first_ids() -> None:
    """A thousand requests are shown on one short line."""
    assert summary({"request": {"requests": [REDEEM] * 1_000}}) == "{'count': 1000, " + REDEEM_IDS[1:]
    invoices = [{"project": "gigs", "invoice": "inv_1", "lines": [{"amount": 4_300}]}, {}]
    assert summary({"request": {"invoices": invoices}}) == "{'count': 2, 'project': 'gigs', 'invoice': 'inv_1'}"
    assert summary({"request": {"requests": []}}) == "{'count': 0}"


@pytest.mark.parametrize(
    "kwargs",
    [
        None,
        "text",
        ["project"],
        {"request": None},
        {"request": ["project"]},
        {"request": {"project": 7, "customer": {"card": "4242"}, "invoice": ""}},
        {"request": {"project": "p" * 256}},
        {"other": {"project": "gigs"}},
    ],
)
def test_what_is_not_an_id_is_not_shown(kwargs: object) -> None:
    """A value of a wrong type, of a wrong length or in a wrong place is not shown."""
    assert summary(kwargs) == "{}"


@pytest.mark.slow
@given(JSON)
def test_any_payload_has_a_summary_and_a_summary_is_its_own(kwargs: object) -> None:
    """Flower reads the summary of a worker and summarises that again."""
    shown = summary(kwargs)
    assert summary(ast.literal_eval(shown)) == shown


def test_a_request_overrules_what_the_sender_wrote_into_the_headers(app: Celery) -> None:
    """Logs, events and the child process each read one of these attributes."""
    body = [[], {"request": REDEEM}, {}]
    request = received(app, body=body, argsrepr="('SECRET-CODE',)", kwargsrepr=repr(REDEEM))
    assert (request.argsrepr, request.kwargsrepr) == ("()", REDEEM_IDS)
    assert (request.request_dict["argsrepr"], request.request_dict["kwargsrepr"]) == ("()", REDEEM_IDS)
    assert request.kwargs == {"request": REDEEM}
    assert "SECRET-CODE" not in repr(request)


def test_a_request_hides_positional_arguments(app: Celery) -> None:
    """The contract has none. The task refuses them, and the log does not show them."""
    assert received(app, body=[["SECRET-CODE"], {}, {}]).argsrepr == "(…)"


def test_inspecting_a_worker_shows_no_body(app: Celery) -> None:
    """`celery inspect active` asks for all arguments, and Flower shows the answer on the page of a worker."""
    request = received(app, body=[[], {"request": REDEEM}, {}])
    assert request.info(safe=False)["kwargs"] == REDEEM_IDS


@pytest.mark.parametrize("kwargs", [None, "text", 7, ["project"]])
def test_arguments_of_the_wrong_type_are_left_to_the_task(app: Celery, kwargs: object) -> None:
    """The worker can build the request, so the task fails and the caller gets an answer."""
    assert received(app, body=[[], kwargs, {}]).kwargsrepr == "{}"


@pytest.mark.parametrize("body", [None, 7, [], [[], {}], [[], {}, {}, {}]])
def test_a_body_of_the_wrong_shape_is_an_invalid_task(app: Celery, body: object) -> None:
    """Celery rejects an invalid task and goes on. Any other error would stop the worker."""
    with pytest.raises(InvalidTaskError):
        received(app, body=body)


def test_a_message_without_an_id_is_an_invalid_task(app: Celery) -> None:
    """A header can be missing too."""
    with pytest.raises(InvalidTaskError):
        Request(Message(body="[[], {}, {}]", content_type="application/json", headers={"task": TASK}), app=app)
