"""List the codes of a voucher in pages."""

import pytest

from tasks.wire.errors import InvalidRequest
from tests.codes.calls import retire
from tests.support.requests import add_codes, create_voucher
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

UNKNOWN_CODE = "voc_01m802aq92e78rshs8mnssdx40"


def page(voucher: dict, **fields) -> tuple[list[str], str | None, str | None]:
    """Return the ids and the cursors of a page."""
    answer = task_named("codes.list")(request={"project": "gigs", "voucher": voucher["id"], **fields})
    assert answer["object"] == "list"
    return [each["id"] for each in answer["items"]], answer["moreItemsAfter"], answer["moreItemsBefore"]


def paged(voucher: dict, direction: str, **fields) -> list[str]:
    """Return the ids of all pages, from the newest code to the oldest or back."""
    cursor = None if direction == "after" else "voc_00000000000000000000000000"
    found: list[str] = []
    while True:
        ids, after, before = page(voucher, **({direction: cursor} if cursor else {}), **fields)
        found = found + ids if direction == "after" else ids + found
        cursor = after if direction == "after" else before
        if cursor is None:
            return found


@pytest.mark.slow
def test_codes_are_listed_newest_first_in_pages_in_both_directions():
    """The cursors say whether there are older or newer codes of the wanted statuses."""
    voucher = create_voucher()
    every = add_codes(voucher, *({"code": f"CODE-{index}"} for index in range(9)))[::-1]
    for index in (1, 2, 5):
        retire(every[index])
    ids = [each["id"] for each in every]
    chosen = {("available", "retired"): ids, ("retired",): [ids[1], ids[2], ids[5]]}
    chosen["available",] = [each for each in ids if each not in chosen["retired",]]
    for status, expected in chosen.items():
        for limit in (1, 2, 4, 9):
            assert paged(voucher, "after", status=list(status), limit=limit) == expected
            assert paged(voucher, "before", status=list(status), limit=limit) == expected
    assert page(voucher) == ([*chosen["available",]], None, None)


def test_a_page_of_nothing_is_an_empty_list():
    """The limit is 0, or the voucher has no codes. Both cursors at once are invalid."""
    voucher = create_voucher(code="SUMMER")
    assert page(voucher, limit=0) == ([], None, None)
    assert page(create_voucher()) == ([], None, None)
    with pytest.raises(InvalidRequest) as refused:
        page(voucher, after=UNKNOWN_CODE, before=UNKNOWN_CODE, limit=201)
    assert [error["field"] for error in refused.value.errors] == ["before", "limit"]
