"""Migration 0003: every voucher's code becomes a row of its own, and goes back where it came from."""

from uuid import UUID

import pytest
from sqlalchemy import create_engine, text

from tests.database.migrating import downgrade, upgrade

BEFORE = "0001"
INSERT = """
    INSERT INTO vouchers (project, id, created_at, name, code, percentage_basis_points, recurrence, metadata,
                          retired_reason, retired_at)
    VALUES (:project, :id, :created_at, 'n', :code, 100, 'forever', '{}', :reason, :retired_at)
"""
# project, number, code, when it was created, why it was retired; then what its code says.
VOUCHERS = [
    ("gigs", 1, "Summer", 1, "expired", "voucherExpired"),
    ("gigs", 2, "SUMMER", 2, None, None),
    ("gigs", 3, "summer", 3, "manualAction", "voucherManuallyRetired"),
    ("gigs", 4, "WINTER", 4, "maxRedemptionsReached", "voucherMaxRedemptionsReached"),
    ("gigs", 5, "WINTER", 5, "unknown", None),
    ("gigs", 6, None, 6, None, None),
    ("gigs", 7, "SPRING", 7, "maxRedemptionsReached", None),
    ("other", 1, "SUMMER", 8, "expired", None),
]


@pytest.fixture
def migrated(two_databases: tuple[str, str]):
    """An engine on a database with those vouchers, that was then migrated."""
    _, url = two_databases
    upgrade(url, BEFORE)
    engine = create_engine(url)
    with engine.begin() as connection:
        for project, number, code, day, reason, _ in VOUCHERS:
            instant = f"2026-01-{day:02}T00:00:00Z"
            values = {"project": project, "id": UUID(int=number), "code": code, "created_at": instant}
            connection.execute(text(INSERT), {**values, "reason": reason, "retired_at": reason and instant})
    upgrade(url, "0003")
    yield engine, url
    engine.dispose()


def test_a_text_is_held_by_whom_it_named_and_the_others_say_why_they_lost_it(migrated):
    """Shown as given, with the voucher's identity and instant; the reasons of those who hold theirs are derived."""
    engine, _ = migrated
    with engine.connect() as connection:
        rows = connection.execute(
            text("""
                SELECT c.project, c.id, c.code, c.retired_reason
                FROM codes c JOIN vouchers v ON v.project = c.project AND v.id = c.voucher_id
                WHERE c.id = v.id AND c.created_at = v.created_at AND c.is_primary AND c.redemptions = 0
                      AND (c.retired_at IS NULL OR c.retired_at = v.retired_at)
            """)
        ).all()
    expected = {(project, UUID(int=number), code, reason) for project, number, code, _, _, reason in VOUCHERS if code}
    assert {tuple(row) for row in rows} == expected


def test_it_goes_down_again_where_a_text_was_taken_over_from_a_code_that_was_retired_by_itself(migrated):
    """The available voucher that lost its text has none any more."""
    engine, url = migrated
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE codes SET retired_reason = 'manualAction', retired_at = now() WHERE code = 'SUMMER'")
        )
        new = {"project": "gigs", "id": UUID(int=9), "code": "SUMMER", "created_at": "2026-02-01T00:00:00Z"}
        connection.execute(text(INSERT), {**new, "reason": None, "retired_at": None})
        connection.execute(
            text("""
                INSERT INTO codes (project, id, voucher_id, code, created_at, is_primary)
                SELECT project, id, id, code, created_at, true FROM vouchers WHERE id = :id
            """),
            {"id": new["id"]},
        )
    downgrade(url, BEFORE)
    with engine.connect() as connection:
        left = connection.execute(text("SELECT id, code FROM vouchers WHERE retired_reason IS NULL ORDER BY id")).all()
    assert [tuple(row) for row in left] == [(UUID(int=2), None), (UUID(int=6), None), (UUID(int=9), "SUMMER")]
