"""The ledger, redemptions and stored answers are append-only: the database refuses to change or delete a row.

It refuses its superuser too. The worker's role may not even try: test_rights.py.
"""

from contextlib import nullcontext

import pytest
from sqlalchemy import column, delete, select, text
from sqlalchemy.exc import IntegrityError

from models.base import Base, rows_affected
from tasks.wire.errors import INFRASTRUCTURE_FAULTS
from tests.support.administrator import as_administrator
from tests.support.changes import move
from tests.support.holds import reserve
from tests.support.imports import import_discount
from tests.support.requests import apply, create_voucher, record, redeem
from tests.support.reversals import refund
from tests.support.tampering import tamper
from worker.database import transaction

TABLES = (
    "usage_entries",
    "invoice_discounts",
    "usage_records",
    "invoice_reversals",
    "usage_reversals",
    "returned_places",
    "discount_changes",
    "imported_discounts",
    "voucher_changes",
    "redemptions",
    "write_answers",
    "subscriptions",
)
VERBS = {
    "UPDATE": "UPDATE {table} SET project = project",
    "UPSERT": (
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} "
        "ON CONFLICT (project, {key}) DO UPDATE SET project = 'other'"
    ),
    "DELETE": "DELETE FROM {table}",
    "TRUNCATE": "TRUNCATE {table} CASCADE",
}
KEYS = {
    "usage_entries": "discount_id, invoice",
    "invoice_discounts": "invoice",
    "usage_records": "voucher_id, customer, ref_digest",
    "invoice_reversals": "id",
    "usage_reversals": "id",
    "returned_places": "discount_id",
    "discount_changes": "discount_id, number",
    "imported_discounts": "discount_id",
    "voucher_changes": "voucher_id, id",
    "redemptions": "request_id",
    "write_answers": "task, key",
    "subscriptions": "subscription",
}


@pytest.fixture(autouse=True)
def one_of_everything(database: dict[str, str]) -> None:  # noqa: ARG001 - emptied before this, audited afterwards
    """Add an entry to each table."""
    voucher = create_voucher()["id"]
    discount = redeem(voucher=voucher, customer="cus_1", subscription="sub_1")["discount"]
    apply(invoice="inv_1")
    move(discount)
    record(voucher=voucher)
    refund("inv_1", "r1", base=8000)
    import_discount(voucher, subscription="sub_3")


def test_every_append_only_table_has_its_cases():
    """The catalogue says which tables have the trigger."""
    with transaction() as session:
        tables = session.execute(text("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'append_only'"))
        assert sorted(tables.scalars()) == sorted(TABLES)


def rows_of(table: str) -> list[tuple]:
    """Return every row of a table."""
    with transaction() as session:
        return [tuple(map(str, row)) for row in session.execute(select(Base.metadata.tables[table]))]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("table", TABLES)
def test_nothing_changes_or_deletes_an_entry(table, verb):
    """The error is no fault of the servers, so nobody retries, and the rows stay as they are."""
    before = rows_of(table)
    # PostgreSQL computes a generated column, which is the last one of its table.
    columns = ", ".join(each.name for each in Base.metadata.tables[table].c if each.computed is None)
    statement = VERBS[verb].format(table=table, key=KEYS[table], columns=columns)
    with pytest.raises(IntegrityError, match="is append-only") as refused, as_administrator() as session:
        session.execute(text(statement))
    assert not isinstance(refused.value, INFRASTRUCTURE_FAULTS)
    assert rows_of(table) == before != []


@pytest.mark.parametrize("table", TABLES)
def test_a_change_that_would_touch_no_row_is_refused_too(table):
    """The trigger refuses the statement, and not a row."""
    with pytest.raises(IntegrityError, match=f"{table} is append-only"), as_administrator() as session:
        session.execute(delete(Base.metadata.tables[table]).where(column("project") == "none"))


ERASURE = """
    SELECT set_config('scrip.erased_customer', :customer, true), set_config('scrip.pseudonym', :pseudonym, true)
"""
PSEUDONYM = f"erased_{'0' * 32}"
ANSWER = f"""CAST(replace(CAST(answer AS text), '"cus_1"', '"{PSEUDONYM}"') AS json)"""
OTHER_AMOUNT = f"CAST(replace(CAST({ANSWER} AS text), '8000', '8001') AS json)"
WITH_DIGEST = f"""CAST(replace(CAST({ANSWER} AS text), '"sub_1"', '"usage-{"0" * 64}sub_1"') AS json)"""
RENAMED = f"customer = '{PSEUDONYM}', answer = {ANSWER}"
# What a use case of erasures never sends, by the table.
OTHERWISE = [
    ("usage_entries", "amount_minor = amount_minor + 1"),
    ("usage_entries", "currency = currency"),
    ("invoice_discounts", f"{RENAMED}, subscription = 'sub_2'"),
    ("invoice_discounts", f"{RENAMED}, applied_at = now()"),
    ("invoice_discounts", "fingerprint = ''"),
    ("invoice_discounts", f"customer = '{PSEUDONYM}', answer = '{{}}'"),
    ("invoice_discounts", f"customer = '{PSEUDONYM}', answer = {OTHER_AMOUNT}"),
    ("invoice_discounts", f"customer = '{PSEUDONYM}', answer = {WITH_DIGEST}"),
    ("invoice_discounts", "customer = 'cus_2'"),
    ("usage_records", f"{RENAMED}, usage = 2"),
    ("usage_records", f"{RENAMED}, ref = 'another'"),
    ("returned_places", f"customer = '{PSEUDONYM}', kind = 'whole'"),
    ("discount_changes", "actor = 'nobody'"),
    ("voucher_changes", "actor = 'nobody'"),
    ("invoice_reversals", "actor = 'nobody'"),
    ("usage_reversals", "amount_minor = 0"),
]


RUNNING = """
    INSERT INTO customer_erasures (project, id, pseudonym, customer, key, started_at)
    VALUES (:project, gen_random_uuid(), :pseudonym, :customer, '', now())
"""


def update_as_erasure(
    table: str, values: str, *, customer: str = "cus_1", pseudonym: str = PSEUDONYM, project: str = "gigs"
) -> int:
    """Update every row of a table in a transaction that says that it erases a customer. Return how many rows.

    The worker has no right to most of it, so the administrator tries. There is a running erasure.
    """
    with as_administrator() as session:
        session.execute(text(RUNNING), {"project": project, "customer": customer, "pseudonym": pseudonym})
        session.execute(text(ERASURE), {"customer": customer, "pseudonym": pseudonym})
        return rows_affected(session.execute(text(f"UPDATE {table} SET {values}")))  # noqa: S608 - our own texts


@pytest.mark.parametrize(("table", "values"), OTHERWISE)
def test_an_erasure_changes_nothing_but_the_customer(table: str, values: str) -> None:
    """The settings of an erasure are no way to change an amount, an instant or another id."""
    before = rows_of(table)
    with pytest.raises(IntegrityError, match=f"{table} is append-only"):
        update_as_erasure(table, values)
    assert rows_of(table) == before != []


def test_an_erasure_may_put_a_pseudonym_in_the_place_of_its_customer() -> None:
    """In the column and in the answer, and of its own customer only, and only a pseudonym of the right form."""
    with pytest.raises(IntegrityError, match="append-only"):
        update_as_erasure("invoice_discounts", RENAMED, customer="cus_2")
    with pytest.raises(IntegrityError, match="append-only"):
        update_as_erasure("invoice_discounts", RENAMED.replace(PSEUDONYM, "cus_2"), pseudonym="cus_2")
    assert update_as_erasure("invoice_discounts", RENAMED) == 1


ENDED = "UPDATE customer_erasures SET customer = NULL, ended_at = now()"
OTHER = "UPDATE customer_erasures SET customer = 'cus_2'"


@pytest.mark.parametrize("table", ["invoice_discounts", "discounts", "redemptions"])
@pytest.mark.parametrize(
    "instead",
    [None, {}, {"project": "other"}, {"customer": "cus_2"}, {"pseudonym": PSEUDONYM.replace("0", "1")}],
    ids=["none", "ended", "project", "customer", "pseudonym"],
)
def test_nobody_puts_a_pseudonym_there_without_a_running_erasure(table: str, instead: dict[str, str] | None) -> None:
    """Of this customer, in this project, with this pseudonym."""
    values = RENAMED if table == "invoice_discounts" else f"customer = '{PSEUDONYM}'"
    before = rows_of(table)
    parameters = {"project": "gigs", "customer": "cus_1", "pseudonym": PSEUDONYM, **(instead or {})}
    if instead is not None:
        with as_administrator() as session:
            session.execute(text(RUNNING), parameters)
            if instead == {}:
                session.execute(text(ENDED))
    with as_administrator() as session:
        session.execute(text(ERASURE), {"customer": "cus_1", "pseudonym": PSEUDONYM})
        with pytest.raises(IntegrityError, match="is refused"):
            session.execute(text(f"UPDATE {table} SET {values} WHERE customer = 'cus_1'"))  # noqa: S608 - our own texts
        session.rollback()
    assert rows_of(table) == before != []


@pytest.mark.parametrize("end", [None, ENDED])
def test_an_erasure_never_becomes_that_of_another_customer(end: str | None) -> None:
    """Nor does one that has ended run again."""
    with as_administrator() as session:
        session.execute(text(RUNNING), {"project": "gigs", "customer": "cus_1", "pseudonym": PSEUDONYM})
        if end is not None:
            session.execute(text(end))
    with pytest.raises(IntegrityError, match="keeps its customer"), as_administrator() as session:
        session.execute(text(f"{OTHER}, ended_at = NULL"))


@pytest.mark.parametrize("table", ["redemptions", "write_answers", "holds"])
def test_a_row_is_not_pruned_within_seven_days(table: str) -> None:
    """Whoever has the worker's connection can prune, but no answer that a redelivery may still need."""
    redeem(code="NONE")
    reserve(code="NONE")
    column = "decided_at" if table == "redemptions" else "created_at"
    reason = "AND reason IS NOT NULL" if table == "redemptions" else ""
    for age, is_kept in (("167 hours", True), ("169 hours", False)):
        moved = f"{column} = now() - interval '{age}'"
        moved += "" if table == "write_answers" else f", effective_at = now() - interval '{age}'"
        tamper(f"UPDATE {table} SET {moved} WHERE true {reason}")  # noqa: S608 - our own texts
        with pytest.raises(IntegrityError, match="7 days") if is_kept else nullcontext(), transaction() as session:
            session.execute(text("SELECT set_config('scrip.pruned', :table, true)"), {"table": table})
            deleted = session.execute(text(f"DELETE FROM {table} WHERE true {reason}"))  # noqa: S608 - our own texts
            assert rows_affected(deleted) == 1
