"""A batch of new vouchers has the answers and the rows of the same vouchers that are created one after the other."""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from domain.imported_history import ImportedHistory
from tasks.vouchers.create import NewVoucher
from tasks.wire.answers import Answer
from tests.support.requests import redeem
from tests.vouchers.batches import created, created_alone, new
from tests.vouchers.calls import PAST
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

CODES = ("SUMMER", "summer", "WINTER", "AUTUMN")
HISTORIES = (
    None,
    ImportedHistory(redemptions=1, is_withdrawn=False),
    ImportedHistory(redemptions=2, is_withdrawn=False),
    ImportedHistory(redemptions=0, is_withdrawn=True),
)
# The rows without ids and the present.
ROWS = (
    """
    SELECT name, code, products, budget_minor, redemptions, imported_redemptions, retired_reason,
           retired_at = created_at, retired_at = expires_at, metadata::text, updated_at, request_id
    FROM vouchers WHERE project = :project
    """,
    """
    SELECT voucher.name, voucher.retired_reason, code.code, code.is_primary, code.retired_reason,
           code.created_at = voucher.created_at, code.retired_at = voucher.retired_at, code.id = voucher.id
    FROM codes AS code JOIN vouchers AS voucher ON (voucher.project, voucher.id) = (code.project, code.voucher_id)
    WHERE code.project = :project
    """,
    """
    SELECT kind, actor, change.created_at = voucher.created_at, voucher.name, voucher.code
    FROM voucher_changes AS change
    JOIN vouchers AS voucher ON (voucher.project, voucher.id) = (change.project, change.voucher_id)
    WHERE change.project = :project
    """,
    "SELECT currency, amount_minor, spent_minor FROM budgets WHERE project = :project",
)


def random_batch(seed: str, *, project: str) -> list[NewVoucher]:
    """Return the same ten vouchers for the same seed."""
    random = Random(seed)  # noqa: S311 - the same in each run
    return [drawn(random, project=project) for _ in range(10)]


def drawn(random: Random, *, project: str) -> NewVoucher:
    """Return a voucher with one of a few keys, codes, ends and histories, so that many of a batch meet."""
    number, key = random.choice("ab"), random.choice(("delivery", "request", "none", "own"))
    own = f"{random.getrandbits(64):x}"
    fields: dict[str, Any] = {
        "project": project,
        "code": random.choice((None, *CODES)),
        "name": random.choice(("One", "Two", "Two")),
        "restrictions": {
            "expiresAt": random.choice((None, None, PAST)),
            "maximumRedemptions": 2,
            "products": random.choice((None, ["prod_a", 'a "b" \\ {c}, NULL'])),
        },
        "budget": random.choice((None, {"amount": 500, "currency": "USD"})),
        "actor": random.choice((None, "ops")),
    }
    if key == "request":
        fields["requestId"] = number
    delivery = {"delivery": number, "own": own}.get(key)
    return new(delivery, random.choice(HISTORIES), **fields)


def told(project: str, answers: Sequence[Answer]) -> tuple[list[Answer], list[Counter[str]]]:
    """Return the answers and the rows of a project, with positions for ids and without the present."""
    positions = dict[str | None, int]()
    for answer in answers:
        positions.setdefault(answer.get("id"), len(positions))
    plain = [
        {
            **each,
            "id": positions[each.get("id")],
            "project": "",
            **{name: each.get(name) in {None, PAST} and each.get(name) for name in ("createdAt", "retiredAt")},
        }
        for each in answers
    ]
    with transaction() as session:
        rows = [Counter(map(str, session.execute(text(each), {"project": project}))) for each in ROWS]
    return plain, rows


@pytest.mark.parametrize("seed", range(40))
def test_a_batch_is_decided_as_one_after_the_other(seed: int):
    """Answers, refusals and rows are the same, in a first batch and in one that finds its vouchers."""
    together, alone = list[Answer](), list[Answer]()
    for batch in ("first", "second"):
        first, twin = (random_batch(f"{seed} {batch}", project=each) for each in ("together", "alone"))
        together += created(first)
        alone += map(created_alone, twin)
    assert told("together", together) == told("alone", alone)
    named = [[redeem(project=each, code=code)["reason"] for code in CODES] for each in ("together", "alone")]
    assert named[0] == named[1]
