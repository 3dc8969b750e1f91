"""References that a trigger checks once for each statement: like a foreign key, they never point to a missing row."""

import pytest
from psycopg import Error as PsycopgError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from models.base import new_id, rows_affected
from tasks.wire.errors import INFRASTRUCTURE_FAULTS
from tests.support.administrator import as_administrator
from tests.support.database_between_tests import vacuum_database
from tests.support.requests import apply, create_voucher, redeem
from worker.database import transaction

MISSING = "gen_random_uuid()"
# For each case: a statement that would leave a row with a broken reference, the reference, and the SQLSTATE.
NEW = """
    INSERT INTO redemptions (project, request_id, id, fingerprint, voucher_id, customer, subscription, reason,
                             effective_at, decided_at)
    SELECT project, 'other', gen_random_uuid(), fingerprint, {voucher}, customer, subscription, 'voucher_retired',
           effective_at, decided_at
    FROM redemptions
"""
ENTRY = """
    INSERT INTO usage_entries (project, discount_id, invoice, id, period_start, period_end, cycle_start, cycle_end,
                               currency, amount_minor, created_at)
    SELECT project, {discount}, {invoice}, gen_random_uuid(), period_start, period_end, cycle_start, cycle_end,
           currency, 1, created_at
    FROM usage_entries
"""
NEW_OF_MANY = """
    INSERT INTO redemptions (project, request_id, id, fingerprint, voucher_id, customer, subscription, reason,
                             effective_at, decided_at)
    SELECT project, ids.id, gen_random_uuid(), fingerprint, CAST(ids.id AS uuid), customer, subscription,
           'voucher_retired', effective_at, decided_at
    FROM redemptions, unnest(CAST(:ids AS text[])) AS ids (id) WHERE request_id = 'other'
"""
MANY_VOUCHERS = """
    INSERT INTO vouchers (project, id, created_at, name, percentage_millionths, recurrence, metadata)
    SELECT 'gigs', CAST(id AS uuid), now(), 'n', 100, 'once', '{}' FROM unnest(CAST(:ids AS text[])) AS ids (id)
"""
THEIR_HISTORIES = """
    INSERT INTO voucher_changes (project, voucher_id, id, kind, created_at)
    SELECT project, id, gen_random_uuid(), 'created', created_at FROM vouchers WHERE name = 'n'
"""
# A voucher's history refers to the voucher too, by a foreign key of PostgreSQL.
FORGET_HISTORIES = """
    ALTER TABLE voucher_changes DISABLE TRIGGER append_only;
    DELETE FROM voucher_changes;
    ALTER TABLE voucher_changes ENABLE TRIGGER append_only
"""
# The triggers refuse each change, before its references are looked at.
ALLOW_CHANGES = ";".join(
    f"ALTER TABLE {table} DISABLE TRIGGER {trigger}"
    for table in ("redemptions", "usage_entries", "invoice_discounts")
    for trigger in ("append_only", "append_only_but_erasure")
)
VOUCHERS_READ = text("SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'vouchers'")
FOREIGN_KEY, RESTRICT = "23503", "23001"
REFUSED = {
    "a redemption of no voucher": (NEW.format(voucher=MISSING), "redemptions_voucher_id_inserted", FOREIGN_KEY),
    "another project's": (
        NEW.format(voucher="voucher_id").replace("SELECT project", "SELECT 'other'"),
        "redemptions_voucher_id_inserted",
        FOREIGN_KEY,
    ),
    "a redemption moved to no voucher": (
        "UPDATE redemptions SET voucher_id = gen_random_uuid()",
        "redemptions_voucher_id_updated",
        FOREIGN_KEY,
    ),
    "a redemption moved to another project": (
        "UPDATE redemptions SET project = 'other'",
        "redemptions_voucher_id_updated",
        FOREIGN_KEY,
    ),
    "an entry of no discount": (
        ENTRY.format(discount=MISSING, invoice="invoice"),
        "usage_entries_discount_id_inserted",
        FOREIGN_KEY,
    ),
    "an entry moved to no discount": (
        "UPDATE usage_entries SET discount_id = gen_random_uuid()",
        "usage_entries_discount_id_updated",
        FOREIGN_KEY,
    ),
    "an entry of no invoice": (
        ENTRY.format(discount="discount_id", invoice="'none'"),
        "usage_entries_invoice_inserted",
        FOREIGN_KEY,
    ),
    "an entry moved to no invoice": (
        "UPDATE usage_entries SET invoice = 'none'",
        "usage_entries_invoice_updated",
        FOREIGN_KEY,
    ),
    # Its sum refers to a voucher too, by a foreign key of PostgreSQL.
    "a redeemed voucher deleted": (
        "DELETE FROM given_amounts; DELETE FROM vouchers",
        "redemptions_voucher_id",
        RESTRICT,
    ),
    "a redeemed voucher's key": (
        "DELETE FROM given_amounts; UPDATE vouchers SET id = gen_random_uuid()",
        "redemptions_voucher_id",
        RESTRICT,
    ),
    "a redeemed voucher's project": (
        "DELETE FROM given_amounts; UPDATE vouchers SET project = 'other'",
        "redemptions_voucher_id",
        RESTRICT,
    ),
    "a discount with an entry deleted": ("DELETE FROM discounts", "usage_entries_discount_id", RESTRICT),
    "a discount's key": ("UPDATE discounts SET id = gen_random_uuid()", "usage_entries_discount_id", RESTRICT),
    "a discount's project": ("UPDATE discounts SET project = 'other'", "usage_entries_discount_id", RESTRICT),
    "an invoice with an entry deleted": (
        "DELETE FROM invoice_discounts",
        "usage_entries_invoice",
        RESTRICT,
    ),
    "an invoice's key": (
        "UPDATE invoice_discounts SET invoice = 'other'",
        "usage_entries_invoice",
        RESTRICT,
    ),
    "an invoice's project": (
        "UPDATE invoice_discounts SET project = 'other'",
        "usage_entries_invoice",
        RESTRICT,
    ),
}
TRIGGERS = text("""
    SELECT tgname, tgrelid::regclass::text AS tgrelid FROM pg_trigger
    WHERE NOT tgisinternal AND starts_with(tgname, 'fk_')
""")


@pytest.fixture(autouse=True)
def one_of_each(database: dict[str, str]) -> None:  # noqa: ARG001 - emptied before this, audited afterwards
    """Add a redemption of a voucher, and an entry of the discount."""
    redeem(voucher=create_voucher()["id"], subscription="sub_1")
    apply(invoice="inv_1")


def triggers() -> dict[str, str]:
    """Return the table of each trigger of a reference, by the trigger's name."""
    with transaction() as session:
        return {row.tgname: row.tgrelid for row in session.execute(TRIGGERS)}


def test_every_trigger_of_a_reference_has_a_case():
    """No case is left of a trigger that is gone."""
    assert {f"fk_{trigger}" for _, trigger, _ in REFUSED.values()} == triggers().keys()


@pytest.mark.parametrize("case", REFUSED)
def test_nothing_refers_to_what_is_not_there(case):
    """The error names the reference, and is no fault of the servers, so nobody retries. Only the trigger refuses it."""
    statement, trigger, sqlstate = REFUSED[case]
    with as_administrator() as session:
        session.execute(text(FORGET_HISTORIES))
        session.execute(text(ALLOW_CHANGES))
        with pytest.raises(IntegrityError) as refused, session.begin_nested():
            session.execute(text(statement))
        session.execute(text(f"DROP TRIGGER fk_{trigger} ON {triggers()[f'fk_{trigger}']}"))
        session.execute(text(statement))
        session.rollback()
    assert not isinstance(refused.value, INFRASTRUCTURE_FAULTS)
    assert isinstance(refused.value.orig, PsycopgError)
    found = refused.value.orig.diag
    reference = trigger.removesuffix("_inserted").removesuffix("_updated")
    assert (found.sqlstate, found.constraint_name) == (sqlstate, f"fk_{reference}")


def test_a_transaction_that_cannot_see_what_was_added_since_deletes_nothing():
    """A foreign key would look beyond the snapshot, but a trigger cannot, and refuses the statement."""
    create_voucher()
    with as_administrator() as session:
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        session.execute(text(FORGET_HISTORIES))
        with pytest.raises(IntegrityError, match="must keep a row"):
            session.execute(text("DELETE FROM vouchers WHERE redemptions = 0"))


def test_a_reference_is_checked_whatever_the_session_calls_the_tables():
    """A restore sets an empty search path, and names every table with its schema."""
    statement = NEW.format(voucher="voucher_id").replace("INTO redemptions", "INTO public.redemptions")
    with transaction() as session:
        session.execute(text("SET LOCAL search_path = ''"))
        session.execute(text(statement.replace("FROM redemptions", "FROM public.redemptions")))


def test_a_reference_is_one_look_for_each_row_also_by_a_plan_that_was_kept():
    """The plan was kept from the time when there was only one voucher."""
    vacuum_database()
    many = 500
    ids = [str(new_id()) for _ in range(many)]
    with transaction() as session:
        # The plan is made and kept.
        session.execute(text(NEW.format(voucher="voucher_id")))
        session.execute(text(MANY_VOUCHERS), {"ids": ids})
        before = session.execute(VOUCHERS_READ).scalar_one()
        session.execute(text(NEW_OF_MANY), {"ids": ids})
        assert session.execute(VOUCHERS_READ).scalar_one() - before <= 2 * many
        session.execute(text(THEIR_HISTORIES))


def test_what_nothing_refers_to_may_go_and_a_key_may_be_written_as_it_is():
    """An unused voucher can be deleted, and a refused redemption may have no voucher, as with a foreign key."""
    create_voucher()
    assert redeem(voucher=None, code="NOSUCHCODE", subscription="sub_2")["reason"] == "voucher_not_found"
    with as_administrator() as session:
        session.execute(text("UPDATE vouchers SET id = id, project = project"))
        session.execute(text(FORGET_HISTORIES))
        gone = rows_affected(session.execute(text("DELETE FROM vouchers WHERE redemptions = 0")))
        session.execute(text(THEIR_HISTORIES.replace("name = 'n'", "true")))
    assert gone == 1
