"""`scrip discounts import`: JSON Lines of discounts that ran elsewhere, as often as it takes."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.command_line.running import scrip
from tests.support.imports import ONE_CYCLE, TWO_CYCLES, elsewhere
from tests.support.requests import create_voucher
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


def lines_of(voucher: str, *, count: int, begin: int = 0) -> list[dict[str, Any]]:
    """Return requests without a project, which the command names."""
    bodies = [
        elsewhere(voucher=voucher, ref=f"di_{n}", subscription=f"sub_{n}", **ONE_CYCLE)
        for n in range(begin, begin + count)
    ]
    return [{name: value for name, value in body.items() if name != "project"} for body in bodies]


def file_of(directory: Path, *lines: Any) -> str:
    """Write the lines to a file, each a text or a value in JSON, and return its path."""
    path = directory / "discounts.jsonl"
    path.write_text("".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in lines))
    return str(path)


@pytest.mark.slow
def test_the_discounts_of_a_file_are_imported_once(tmp_path: Path):
    """More than a chunk of them, with a blank line. A repetition has no effect and is counted the same."""
    file = file_of(tmp_path, *lines_of(create_voucher()["id"], count=1_001), "")
    for _ in range(2):
        done = scrip("discounts", "import", file, "--actor", "mig", "--json")
        assert (done.code, done.lines()) == (0, [{"object": "import", "imported": 1_001, "refused": 0, "invalid": 0}])
    with transaction() as session:
        found = session.execute(text("SELECT count(*), min(actor), max(actor) FROM imported_discounts")).one()
    assert tuple(found) == (1_001, "mig", "mig")


def test_whatever_is_not_imported_is_told_line_by_line(tmp_path: Path):
    """The others are imported, before and after it."""
    voucher = create_voucher()["id"]
    once = create_voucher(recurrence={"type": "once"})["id"]
    first, last = lines_of(voucher, count=2)
    file = file_of(
        tmp_path,
        first,
        "no JSON",
        "[]",
        {**first, "ref": "di_7"},
        {**elsewhere(ref="di_8", voucher=once, subscription="sub_8"), **TWO_CYCLES},
        {**last, "project": "other"},
        last,
    )
    done = scrip("discounts", "import", file, "--json")
    *left_out, counts = done.lines()
    assert (done.code, counts) == (5, {"object": "import", "imported": 2, "refused": 1, "invalid": 4})
    told = [(each["line"], each["outcome"], each.get("reason") or each["errors"][0]["field"]) for each in left_out]
    assert told == [
        (2, "invalid", "request"),
        (3, "invalid", "request"),
        (4, "refused", "already_applied"),
        (5, "invalid", "cycles"),
        (6, "invalid", "project"),
    ]
    items = task_named("discounts.list")(request={"project": "gigs", "customer": "cus_1"})["items"]
    assert {each["imported"]["ref"] for each in items} == {"di_0", "di_1"}


def test_standard_input_is_a_file_too():
    """Refusals alone have an exit code of their own, and rows for a shell."""
    (body,) = lines_of(create_voucher()["id"], count=1)
    typed = "".join(f"{json.dumps(each)}\n" for each in (body, {**body, "ref": "di_7"}))
    done = scrip("discounts", "import", "-", typed=typed)
    assert (done.code, done.rows()) == (
        3,
        [["2", "refused", "di_7", "already_applied", ""], ["imported", "1"], ["refused", "1"], ["invalid", "0"]],
    )


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    """Nothing is imported then."""
    assert scrip("discounts", "import", str(tmp_path / "none.jsonl")).code == 2
