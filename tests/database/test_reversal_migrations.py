"""Migrations 0009 and 0011 on filled tables: they go up with rows, and down only where nothing is lost."""

from uuid import UUID

import pytest
from sqlalchemy import Connection, create_engine, text

from tests.database.migrating import downgrade, upgrade

FULL, OPEN, DISCOUNT = UUID(int=1), UUID(int=2), UUID(int=9)
BEFORE = (
    """
    INSERT INTO vouchers (project, id, created_at, name, percentage_basis_points, recurrence, metadata, redemptions,
                          maximum_redemptions, retired_reason, retired_at)
    VALUES ('gigs', :full, now(), 'n', 100, 'once', '{}', 2, 2, 'maxRedemptionsReached', '2026-01-01'),
           ('gigs', :open, now(), 'n', 100, 'once', '{}', 0, NULL, NULL, NULL)
    """,
    """
    INSERT INTO discounts (project, id, voucher_id, customer, subscription, created_at, percentage_basis_points,
                           recurrence, starts_on, starts_on_in_utc, status, first_period_start, last_period_start,
                           last_period_end, cycles, ends_on)
    VALUES ('gigs', :discount, :full, 'cus_1', 'sub_1', now(), 100, 'once', '2026-01-01', '2026-01-01', 'completed',
            '2026-01-01', '2026-01-01', '2026-02-01', 1, '2026-02-01')
    """,
    """
    INSERT INTO invoice_discounts (project, invoice, fingerprint, subscription, customer, answer, applied_at)
    VALUES ('gigs', 'inv_1', 'x', 'sub_1', 'cus_1', '{}', now())
    """,
    """
    INSERT INTO usage_entries (project, discount_id, invoice, id, period_start, period_end, currency, amount_minor,
                               created_at)
    VALUES ('gigs', :discount, 'inv_1', gen_random_uuid(), '2026-01-01', '2026-02-01', 'USD', 80, now())
    """,
)
REVERSAL = """
    INSERT INTO invoice_reversals (project, id, invoice, reason, lines, answer, created_at)
    VALUES ('gigs', gen_random_uuid(), 'inv_1', 'payment_failed', '[]', '{}', now())
"""
RETURNED = """
    INSERT INTO returned_places (project, discount_id, voucher_id, customer, kind, created_at)
    VALUES ('gigs', :discount, :full, 'cus_1', 'customer', now())
"""


def run(connection: Connection, *statements: str) -> None:
    """This function will run statements about the rows above."""
    for each in statements:
        known = {"full": FULL, "open": OPEN, "discount": DISCOUNT}
        connection.execute(text(each), {name: id_ for name, id_ in known.items() if f":{name}" in each})


def why_not_down(url: str, revision: str) -> str:
    """This function will return why a migration refuses to go down."""
    with pytest.raises(RuntimeError) as refused:
        downgrade(url, revision)
    return str(refused.value)


@pytest.fixture
def filled(two_databases):
    """A database with a full voucher and a discount that was had, migrated up."""
    _, url = two_databases
    upgrade(url, "0008")
    engine = create_engine(url)
    with engine.begin() as connection:
        run(connection, *BEFORE)
    upgrade(url, "0010")
    yield engine, url
    engine.dispose()


def test_what_was_there_before_goes_up_and_down_unchanged(filled):
    """Without a reversal nothing is lost."""
    engine, url = filled
    with engine.begin() as connection:
        full = connection.execute(text("SELECT is_full, places_returned FROM vouchers ORDER BY id")).all()
        assert [tuple(row) for row in full] == [(True, 0), (False, 0)]
    upgrade(url, "head")
    downgrade(url, "0008")
    with engine.begin() as connection:
        assert connection.execute(text("SELECT status, cycles, ends_on::text FROM discounts")).one() == (
            "completed",
            1,
            "2026-02-01",
        )


@pytest.mark.parametrize(("rows", "named"), [(REVERSAL, "invoice_reversals"), (RETURNED, "returned_places")])
def test_the_ledger_of_reversals_is_not_dropped(filled, rows, named):
    """The downgrade says why, and changes nothing."""
    engine, url = filled
    with engine.begin() as connection:
        run(connection, rows)
    assert f"{named} has rows" in why_not_down(url, "0008")
    with engine.begin() as connection:
        assert connection.execute(text(f"SELECT count(*) FROM {named}")).scalar_one() == 1  # noqa: S608 - our tables


def test_what_is_stored_as_failed_was_not_charged_back_and_charge_backs_are_not_forgotten(filled):
    """Up with a failed payment, down again; but not once there is a charge-back."""
    engine, url = filled
    with engine.begin() as connection:
        run(connection, REVERSAL)
    upgrade(url, "0011")
    with engine.begin() as connection:
        assert connection.execute(text("SELECT is_charged_back FROM invoice_reversals")).scalar_one() is False
    downgrade(url, "0010")
    upgrade(url, "0011")
    with engine.begin() as connection:
        run(connection, "ALTER TABLE invoice_reversals DISABLE TRIGGER append_only")
        run(connection, "UPDATE invoice_reversals SET is_charged_back = true")
    assert "has charge-backs" in why_not_down(url, "0010")
