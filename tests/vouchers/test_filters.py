"""Filters of `vouchers.list`: campaign, beginning of the name, a pair of the metadata, and the time of creation."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tasks.wire.errors import InvalidRequest
from tests.support.requests import create_voucher
from tests.support.tasks import task_named
from tests.vouchers.test_listing import ids, page

pytestmark = pytest.mark.usefixtures("database")

BOTH = ["available", "retired"]
HIGHEST_CHARACTER = "\U0010ffff"


def made(**fields: Any) -> str:
    """Create a voucher, and return its id."""
    identity: str = create_voucher(**fields)["id"]
    return identity


def retire(voucher: str) -> str:
    """Retire a voucher, and return its id."""
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher})
    return voucher


def test_a_campaign_has_its_vouchers_newest_first_of_each_status_and_of_both():
    """A campaign is compared exactly, and a voucher of another project is not listed."""
    first, second, third = made(campaign="spring"), retire(made(campaign="spring")), made(campaign="spring")
    for others in ({}, {"campaign": "Spring"}, {"campaign": "spring ", "name": "x"}):
        made(**others)
    made(campaign="spring", project="other")
    assert ids(page(campaign="spring")) == [third, first]
    assert ids(page(campaign="spring", status=["retired"])) == [second]
    assert ids(page(campaign="spring", status=BOTH)) == [third, second, first]
    assert ids(page(campaign="none")) == []


@pytest.mark.parametrize(
    "filters",
    [{"campaign": "spring"}, {"name": "Spring"}, {"metadata": {"team": "emea"}}],
    ids=lambda each: next(iter(each)),
)
def test_pages_of_a_filter_hold_everything_once(filters):
    """In both directions, also if vouchers of both statuses alternate."""
    fields = {"campaign": "spring", "name": "Spring sale", "metadata": {"team": "emea"}}
    listed = []
    for number in range(7):
        listed.append(made(**fields) if number % 2 else retire(made(**fields)))
        made(name="Other", metadata={"team": "apac"})
    listed.reverse()
    walked: list[str] = []
    answer = page(**filters, status=BOTH, limit=3)
    while True:
        walked += ids(answer)
        if answer["moreItemsAfter"] is None:
            break
        answer = page(**filters, status=BOTH, limit=3, after=answer["moreItemsAfter"])
    assert walked == listed
    assert ids(page(**filters, status=BOTH, limit=3, before=listed[5])) == listed[2:5]


def test_a_name_is_found_by_its_beginning_as_it_is_spelt():
    """Nothing in it is a wildcard, and it may be longer than the part of a name that the index has."""
    long = "n" * 64
    names = [
        "50% off",
        "50%",
        "500 off",
        "50",
        long + "a",
        long + "ab",
        long,
        "n" * 63,
        "é",
        f"x{HIGHEST_CHARACTER}y",
        "x",
    ]
    found = {name: made(name=name) for name in names}

    def beginning(text: str) -> set[str]:
        listed = set(ids(page(name=text, limit=200)))
        return {name for name, identity in found.items() if identity in listed}

    for text in (*names, "5", "50 ", long + "b", "e", f"x{HIGHEST_CHARACTER}", "X"):
        assert beginning(text) == {each for each in names if each.startswith(text)}, text


@pytest.mark.parametrize(
    "value", ["1", 1, True, "true", 1.5, "1.5", "", "a" * 500, 2**63 - 1, "ü"], ids=lambda each: repr(each)[:8]
)
def test_a_pair_of_the_metadata_is_found_by_key_and_value(value):
    """A text is no number. Other keys of the voucher do not matter."""
    pairs = ["1", 1, True, "true", 1.5, "1.5", "", "a" * 500, 2**63 - 1, "ü", "a" * 499]
    found = [made(metadata={"a": "b", "key": each, "z": 1}) for each in pairs]
    made(metadata={"other": value})
    made(metadata={"key": value}, project="other")
    expected = [
        identity for identity, each in zip(found, pairs, strict=True) if (type(each), each) == (type(value), value)
    ]
    assert ids(page(metadata={"key": value}, limit=200)) == expected


def test_the_time_of_creation_is_a_half_open_span_to_the_microsecond():
    """The instants are those that a voucher shows as `createdAt`."""
    created = [create_voucher() for _ in range(4)]
    instants = [each["createdAt"] for each in created]
    identities = [each["id"] for each in created]
    assert ids(page(createdFrom=instants[1], createdBefore=instants[3])) == [identities[2], identities[1]]
    assert ids(page(createdFrom=instants[3])) == [identities[3]]
    assert ids(page(createdBefore=instants[1])) == [identities[0]]
    later = (datetime.fromisoformat(instants[3]) + timedelta(microseconds=1)).isoformat()
    assert ids(page(createdFrom=later)) == []
    assert ids(page(createdFrom=instants[0], after=identities[2], status=BOTH)) == [identities[1], identities[0]]


def test_filters_narrow_the_list_together():
    """Each takes a voucher away that all others let through."""
    fields = {"campaign": "spring", "name": "Spring sale", "metadata": {"team": "emea"}, "code": "SPRING"}
    before = create_voucher(**{**fields, "code": None})
    wanted = create_voucher(**fields)
    for name, other in {"campaign": "autumn", "name": "Sale", "metadata": {"team": "apac"}, "code": "OTHER"}.items():
        create_voucher(**{**fields, "code": None, name: other})
    filters = {**fields, "name": "Spring", "createdFrom": wanted["createdAt"]}
    assert ids(page(**filters)) == [wanted["id"]]
    without_code = {name: each for name, each in filters.items() if name != "code"}
    assert wanted["id"] in ids(page(**without_code))
    assert before["id"] not in ids(page(**without_code))


def test_a_campaign_can_be_changed_and_removed_and_the_history_has_it():
    """Also after the first redemption."""
    voucher = create_voucher(campaign="spring")
    assert voucher["campaign"] == "spring"
    for campaign in ("summer", None):
        sent = {"project": "gigs", "voucher": voucher["id"], "campaign": campaign}
        assert task_named("vouchers.update")(request=sent)["campaign"] == campaign
    changes = task_named("vouchers.history")(request={"project": "gigs", "voucher": voucher["id"]})["items"]
    assert [(each["from"], each["to"]) for each in changes[:2]] == [
        ({"campaign": "summer"}, {"campaign": None}),
        ({"campaign": "spring"}, {"campaign": "summer"}),
    ]
    assert ids(page(campaign="summer")) == []


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ({"metadata": {}}, "metadata"),
        ({"metadata": {"a": 1, "b": 2}}, "metadata"),
        ({"metadata": {"a": None}}, "metadata"),
        ({"name": ""}, "name"),
        ({"campaign": ""}, "campaign"),
        ({"createdFrom": "2031-01-01T00:00:00Z", "createdBefore": "2031-01-01T00:00:00Z"}, "createdBefore"),
    ],
)
def test_a_bad_filter_is_named(filters, field):
    """A filter that cannot mean anything is an error, and not an empty list."""
    with pytest.raises(InvalidRequest) as raised:
        page(**filters)
    assert [each["field"] for each in raised.value.errors] == [field]
