"""The rows of queries: each query of `models` returns the columns that the Protocol of its rows declares.

mypy compares the users of a row with the Protocol. Only these tests compare the Protocol with the query. Even without a
row, PostgreSQL tells the type of each column and the column of a table that was selected.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib import import_module
from inspect import getmembers, isfunction
from itertools import product
from pkgutil import walk_packages
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, NamedTuple, Protocol, TypeGuard, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest
from sqlalchemy import Row, Table, event, insert, text

import models
from domain.hold import HoldStatus
from domain.reversal import ReversalKind
from domain.terms import RetiredReason
from models.codes.code import CODES
from models.codes.generation import add_generation
from models.codes.listing import CodeListing, CodeStatus
from models.discounts.discount import DiscountStatus
from models.discounts.listing import DiscountListing
from models.intake.dead_letter_selection import DeadLetterFilter
from models.invoices.ledger import INVOICE_DISCOUNTS
from models.invoices.listing import InvoiceListing
from models.invoices.report import ReportedSums
from models.invoices.reversal import INVOICE_REVERSALS
from models.invoices.reversal_listing import ReversalListing
from models.redemptions.hold import HOLDS
from models.redemptions.hold_listing import HoldListing
from models.redemptions.listing import REASONS, RedemptionListing
from models.redemptions.redemption import REDEMPTIONS
from models.redemptions.row_types import is_accepted
from models.usages.history import ListedCustomers
from models.vouchers.listing import VoucherListing, VoucherStatus
from models.vouchers.voucher import VOUCHERS
from worker.database import transaction

NOW, TODAY, ID = datetime(2027, 1, 1, tzinfo=UTC), date(2027, 1, 1), UUID(int=1)
NAMED = {"project": "gigs", "id": ID}
OF_VOUCHER: dict[str, Any] = {"project": "gigs", "voucher_id": ID}
IDS, TEXTS = {"keys": [("gigs", ID)]}, {"keys": [("gigs", "text")]}
VOUCHER = {**NAMED, "created_at": NOW, "name": "", "percentage_millionths": 1, "recurrence": "once", "metadata": {}}
GENERATION = {**NAMED, "voucher_id": ID, "fingerprint": b"", "parameters": {}, "count": 1, "created_at": NOW}
NEW_DISCOUNT = {
    **OF_VOUCHER,
    "id": ID,
    "customer": "cus_1",
    "subscription": "sub_1",
    "created_at": NOW,
    "starts_on": TODAY,
    "starts_on_in_utc": TODAY,
}
PAGE = {"than": ID, "limit": 1}
CODE_LISTING = CodeListing(**OF_VOUCHER, statuses=frozenset(CodeStatus))
DISCOUNT_LISTING = DiscountListing(**OF_VOUCHER, statuses=frozenset(DiscountStatus), subscription=None, customer=None)
OWNERS: dict[str, Any] = {"subscription": "sub_1", "customer": None}
HOLD_LISTING = HoldListing(**OF_VOUCHER, **OWNERS, statuses=frozenset(HoldStatus), now=NOW)
INVOICE_LISTING = InvoiceListing(project="gigs", **OWNERS)
REPORTED = ReportedSums(**OF_VOUCHER, first=NOW, end=NOW)
REDEMPTION_LISTING = RedemptionListing(**OF_VOUCHER, is_accepted_listed=True, reasons=REASONS)
REVERSAL_LISTING = ReversalListing(project="gigs", **OWNERS, invoice=None, kinds=frozenset(ReversalKind))
INVOICE = SimpleNamespace(invoice="inv_1", applied_at=NOW)
VOUCHER_LISTING = VoucherListing(project="gigs", statuses=frozenset(VoucherStatus))
CUSTOMERS = ListedCustomers(**OF_VOUCHER, customers=["cus_1"], grants=[])
# The arguments of each query after the session. The database has only the voucher and the generation above.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "codes.generation.add_generation": {"values": {**GENERATION, "id": UUID(int=2)}},
    "codes.generation.count_generated": {**NAMED, "added": 1, "now": NOW},
    "codes.generation.find_generation": {"project": "gigs", "key": "request"},
    "codes.generation.find_generation_by_id": NAMED,
    "codes.generation.lock_generation": NAMED,
    "codes.listing.newer_codes": {**PAGE, "listing": CODE_LISTING},
    "codes.listing.older_codes": {**PAGE, "listing": CODE_LISTING},
    "codes.look_up.find_by_code": {"codes": [("gigs", "text")]},
    "codes.look_up.find_code": NAMED,
    "codes.look_up.find_codes": IDS,
    "codes.primary.find_primary_code": {**OF_VOUCHER, "code": "text"},
    "codes.text_holders.find_holders": {"project": "gigs", "codes": ["text"]},
    "customers.erasure.begin_erasure": {
        "project": "gigs",
        "customer": "cus_1",
        "actor": None,
        "request_key": None,
        "at": NOW,
    },
    "discounts.discount.read_as_added": {"rows": [NEW_DISCOUNT]},
    "discounts.ending.find_granted": {"project": "gigs", "subscription": "sub_1"},
    "discounts.imported.find_imported": IDS,
    "discounts.listing.find_discounts": {"project": "gigs", "ids": [ID]},
    "discounts.listing.newer_discounts": {**PAGE, "listing": DISCOUNT_LISTING},
    "discounts.listing.older_discounts": {**PAGE, "listing": DISCOUNT_LISTING},
    "discounts.listing.older_discounts_ever_on": {**PAGE, "project": "gigs", "subscription": "sub_1"},
    "discounts.locks.lock_discounts_and_running": {**IDS, "subscriptions": [("gigs", "sub_1")]},
    "discounts.locks.lock_discounts_by_id": IDS,
    "discounts.moves_and_extensions.find_extensions": {"project": "gigs", "discounts": [ID]},
    "discounts.moves_and_extensions.find_moves": {"project": "gigs", "discounts": [ID]},
    "discounts.of_subscription.lock_covering_and_named": {**IDS, "subscriptions": [("gigs", "sub_1")]},
    "discounts.of_subscription.find_covering": {"project": "gigs", "subscription": "sub_1"},
    "discounts.of_subscription.find_running": {"subscriptions": [("gigs", "sub_1")]},
    "discounts.of_subscription.lock_covering": {"subscriptions": [("gigs", "sub_1")]},
    "intake.attempt.find_attempts": TEXTS,
    "intake.dead_letter.dead_letters_after": {"project": "gigs", "after": None, "limit": 1},
    "intake.dead_letter.find_dead_letter": {"task_id": "task"},
    "intake.dead_letter.lock_dead_letter": {"task_id": "task"},
    "intake.dead_letter.newer_dead_letters": {**PAGE, "project": "gigs"},
    "intake.dead_letter.older_dead_letters": {**PAGE, "project": "gigs"},
    "intake.dead_letter_selection.list_dead_letters": {"limit": 1},
    "intake.dead_letter_selection.lock_dead_letters": {"wanted": DeadLetterFilter(), "newest": ID, "limit": 1},
    "write_answer.find_answer": {"project": "gigs", "task": "task", "key": "request"},
    "invoices.given_back.remaining_entries": IDS,
    "invoices.latest_reversal.find_latest_reversals": TEXTS,
    "invoices.ledger.find_entries": {"keys": [("gigs", ID, "invoice")]},
    "invoices.ledger.find_invoices": TEXTS,
    "invoices.listing.find_all_reversals": {"project": "gigs", "invoice": "inv_1"},
    "invoices.listing.newer_invoices": {"listing": INVOICE_LISTING, "than": INVOICE, "limit": 1},
    "invoices.listing.older_invoices": {"listing": INVOICE_LISTING, "than": INVOICE, "limit": 1},
    "invoices.report.sum_discounts": {"of": REPORTED, "after": None, "before": None, "limit": 1},
    "invoices.reversal.find_reversals": TEXTS,
    "invoices.reversal_listing.newer_reversals": {**PAGE, "listing": REVERSAL_LISTING},
    "invoices.reversal_listing.older_reversals": {**PAGE, "listing": REVERSAL_LISTING},
    "invoices.taken_by_discount.newest_taken": {"project": "gigs", "discounts": [ID], "limit": 1},
    "monitoring.figures.count_sessions": {},
    "monitoring.recorded_audit.find_last_ended_audit": {"before": NOW},
    "monitoring.recorded_audit.newest_audits": {"limit": 1},
    "monitoring.recorded_audit.read_audit_figures": {},
    "monitoring.figures.read_figures": {},
    "redemptions.failed_attempts.sum_attempts": {"window": timedelta(minutes=10), "limit": 1},
    "redemptions.hold.find_hold": {**NAMED, "request_id": None},
    "redemptions.hold.find_holds": TEXTS,
    "redemptions.hold_listing.newer_holds": {**PAGE, "listing": HOLD_LISTING},
    "redemptions.hold_listing.older_holds": {**PAGE, "listing": HOLD_LISTING},
    "redemptions.listing.newer_redemptions": {**PAGE, "listing": REDEMPTION_LISTING},
    "redemptions.listing.older_redemptions": {**PAGE, "listing": REDEMPTION_LISTING},
    "redemptions.open_holds.find_held_on": {"subscriptions": [("gigs", "sub_1")], "now": NOW},
    "redemptions.open_holds.find_open_holds": {"requests": [("gigs", ID, "cus_1", "sub_1")]},
    "redemptions.redemption.find_redemptions": TEXTS,
    "redemptions.refused_holds.older_refused_of_customer": {**PAGE, "project": "gigs", "customer": "cus_1"},
    "redemptions.refused_holds.older_refused_of_subscription": {**PAGE, "project": "gigs", "subscription": "sub_1"},
    "redemptions.returned_place.return_places": {**IDS, "at": NOW},
    "sweeps.recorded_sweep.find_last_ended": {},
    "sweeps.recorded_sweep.newest_sweeps": {"limit": 1},
    "usages.by_customer.first_records_of": {**OF_VOUCHER, "customers": ["cus_1"]},
    "usages.by_customer.grants_of": {**OF_VOUCHER, "customers": ["cus_1"]},
    "usages.by_customer.stamps_of": {**OF_VOUCHER, "customers": ["cus_1"]},
    "usages.history.find_position": {"of": CUSTOMERS, "id": ID},
    "usages.history.newest_entries": {"of": CUSTOMERS, "before": None, "limit": 1},
    "usages.history.sum_entries": {"of": CUSTOMERS},
    "usages.recorded_usage.find_erased": {**OF_VOUCHER, "ref": "receipt", "fingerprint": b""},
    "usages.recorded_usage.find_record": {**OF_VOUCHER, "customer": "cus_1", "ref": "receipt"},
    "vouchers.budget.lock_budgets_of": OF_VOUCHER,
    "vouchers.change.newer_changes": {**OF_VOUCHER, **PAGE},
    "vouchers.change.older_changes": {**OF_VOUCHER, **PAGE},
    "vouchers.writes.change_voucher": {**NAMED, "values": {"name": "new"}},
    "vouchers.writes.mark_retired": {**NAMED, "reason": RetiredReason.MANUAL_ACTION, "retired_at": NOW},
    "vouchers.given.find_amounts": {"project": "gigs", "vouchers": [ID]},
    "vouchers.forecast.count_running": {**OF_VOUCHER, "since": TODAY},
    "vouchers.forecast.find_not_started": {**OF_VOUCHER, "since": TODAY},
    "vouchers.forecast.find_started": {**OF_VOUCHER, "since": TODAY},
    "vouchers.ramp_forecast.find_not_started_ramps": {**OF_VOUCHER, "since": TODAY},
    "vouchers.ramp_forecast.find_started_ramps": {**OF_VOUCHER, "since": TODAY},
    "vouchers.listing.newer_vouchers": {**PAGE, "listing": VOUCHER_LISTING},
    "vouchers.listing.older_vouchers": {**PAGE, "listing": VOUCHER_LISTING},
    "vouchers.look_up.find_created": {"project": "gigs", "delivery_ids": ["text"]},
    "vouchers.look_up.find_creations": {"project": "gigs", "keys": [("request_id", "request")]},
    "vouchers.look_up.find_voucher": NAMED,
    "vouchers.look_up.find_vouchers": IDS,
    "vouchers.look_up.lock_vouchers": IDS,
    "vouchers.look_up.read_vouchers": IDS,
    "vouchers.numbered_pages.find_page": {"project": "gigs", "query": "text", "sorting": [], "limit": 1, "offset": 0},
}
# PostgreSQL does not tell the table of a column of a UNION.
TABLES_OF_UNIONS = {
    "codes.listing.newer_codes": CODES,
    "codes.listing.older_codes": CODES,
    "invoices.listing.newer_invoices": INVOICE_DISCOUNTS,
    "invoices.listing.older_invoices": INVOICE_DISCOUNTS,
    "invoices.reversal_listing.newer_reversals": INVOICE_REVERSALS,
    "invoices.reversal_listing.older_reversals": INVOICE_REVERSALS,
    "redemptions.hold_listing.newer_holds": HOLDS,
    "redemptions.hold_listing.older_holds": HOLDS,
    "redemptions.listing.newer_redemptions": REDEMPTIONS,
    "redemptions.listing.older_redemptions": REDEMPTIONS,
    "redemptions.open_holds.find_open_holds": HOLDS,
}
# The columns that are nullable in the table but not in the Protocol, or the reverse. A computed column has no table, so
# it counts as nullable.
OTHERWISE_NULLABLE = {
    # Check constraints demand both unless the request was refused, and these queries leave out refused requests.
    "AcceptedHoldRow": {"voucher_id", "expires_at"},
    "AuditFiguresRow": {"kind", "has_ended", "age", "violations"},  # VALUES, and what is computed.
    "AttemptsRow": {"attempts"},  # A sum.
    # Check constraints demand both until the erasure has ended, and a comparison.
    "ErasureRow": {"customer", "key"},
    "FiguresRow": {"dead_letters", "holds_open", "deadlocks"},  # Counts.
    "HeldBesideRow": {"voucher_id"},  # As above.
    "HeldPlaceRow": {"voucher_id", "expires_at"},
    # The columns of a UNION or of its sums, which have no table.
    "HistoryEntryRow": {"customer", "id", "ref", "ref_type", "usage", "stamp", "amount_minor", "created_at"},
    "HistorySumRow": {"customer", "usage", "stamp", "amount_minor", "last_at"},
    "ListedDiscountRow": {"history"},  # An aggregate, or else an empty list.
    "ListedReversalRow": {"answer"},  # A check constraint demands it, because these queries leave out credits.
    "MoveRow": {"from_subscription", "to_subscription"},  # A check constraint demands both of a move.
    "NamedCodeRow": {"wanted"},  # A parameter.
    # Parameters, and defaults of columns.
    "NewDiscountRow": {
        *("project", "id", "voucher_id", "customer", "subscription", "created_at", "starts_on", "starts_on_in_utc"),
        *("status", "cycles", "entries_given_back", "entries_credited", "has_budget", "is_imported"),
    },
    "NotStartedRow": {"currency", "discounts", "next_on"},  # LEFT JOIN, a count, the later of two days.
    "NotStartedRampRow": {"discounts", "next_on", "phases"},  # A count, the later of two days, and a condition.
    "PositionRow": {"created_at", "id"},  # Of the same UNION.
    # A text or else another, sums of a UNION, and two comparisons. A campaign may be null, and a name may not.
    "ReportRow": {
        *("position", "label", "month", "redeemed", "given_minor", "reversed_minor"),
        *("has_more_after", "has_more_before"),
    },
    "RunningCountRow": {"discounts", "started", "untold", "cycles"},  # Counts, and a sum or else 0.
    "SessionsRow": {"state", "sessions"},  # A state or else a word, and a count.
    # Check constraints demand the days after the first cycle. The others are sums and averages of at least one entry,
    # and columns of a UNION.
    "StartedRampRow": {"anchor", "currency", "next_on", "cycle_days", "phases", "share"},
    "StartedRow": {"anchor", "currency", "next_on", "cycle_days", "per_cycle", "rest"},
    # A UNION, a count and a sum or else 0.
    "TakenRow": {"discount_id", "id", "invoice", "currency", "amount_minor", "created_at", "entries", "reversed_minor"},
    "UsageGrantRow": {"created_at"},  # A CASE.
    "VoucherAmountsRow": {"voucher_id", "currency"},  # A UNION.
}
TYPES = {
    bool: {"bool"},
    bytes: {"bytea"},
    date: {"date"},
    datetime: {"timestamptz"},
    Decimal: {"numeric"},
    dict: {"json", "jsonb"},
    float: {"float8"},
    int: {"int4", "int8"},
    list: {"json", "jsonb", "text[]"},
    str: {"text"},
    UUID: {"uuid"},
}
NOT_NULL = text("SELECT attrelid, attnum FROM pg_attribute WHERE attnotnull")


class Column(NamedTuple):
    """The type of a column, in PostgreSQL or in Python, and whether it may be null."""

    type: Any
    is_nullable: bool


def protocols_in(annotation: Any) -> set[type]:
    """Return the Protocols in a return annotation, at any depth. A TypeGuard is a bool, so it returns no row."""
    if get_origin(annotation) is TypeGuard:
        return set()
    if Protocol in getattr(annotation, "__bases__", ()):
        return {annotation}
    return {found for each in get_args(annotation) for found in protocols_in(each)}


@cache
def queries() -> dict[str, tuple[Callable[..., Any], set[type]]]:
    """Return each public function of `models` that returns rows, and their Protocols, by its name in `models`."""
    found = {}
    for module in walk_packages(models.__path__, "models."):
        for name, function in getmembers(import_module(module.name), isfunction):
            if function.__module__ == module.name and not name.startswith("_"):
                protocols = protocols_in(get_type_hints(function).get("return"))
                found[f"{module.name}.{name}".removeprefix("models.")] = (function, protocols)
    return {name: query for name, query in found.items() if query[1]}


def columns_of_result(cursor: Any, not_null: Collection[tuple[int, int]], union_of: Table | None) -> dict[str, Column]:
    """Return the columns of the last statement, without those that a method of the row hides, such as `count`."""
    columns = {}
    for number, each in enumerate(cursor.description or ()):
        origin = (cursor.pgresult.ftable(number), cursor.pgresult.ftablecol(number))
        is_nullable = origin not in not_null if union_of is None else bool(union_of.c[each.name].nullable)
        columns[each.name] = Column(each.type_display, is_nullable)
    return {name: column for name, column in columns.items() if not hasattr(Row, name)}


def columns_of_query(
    query: Callable[..., Any], arguments: dict[str, Any], union_of: Table | None = None
) -> list[dict[str, Column]]:
    """Return the columns of each statement of a query. A statement with a single column, as a total, is left out."""
    statements = []
    with transaction() as session:
        not_null = {tuple(row) for row in session.execute(NOT_NULL)}
        session.execute(insert(VOUCHERS).values(**VOUCHER))
        add_generation(session, values=GENERATION)

        def note(_connection: object, cursor: Any, *_: object) -> None:
            statements.append(columns_of_result(cursor, not_null, union_of))

        event.listen(session.connection(), "after_cursor_execute", note)
        query(session, **arguments)
        session.rollback()
    return [columns for columns in statements if len(columns) > 1]


def columns_of_protocol(protocol: type) -> dict[str, Column]:
    """Return the columns that a Protocol declares, inherited columns included."""
    columns = {}
    for name, annotation in get_type_hints(protocol).items():
        members = get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)
        (type_,) = {get_origin(each) or each for each in members} - {NoneType}
        columns[name] = Column(type_, NoneType in members)
    return columns


def disagreements(protocol: type, returned: dict[str, Column]) -> tuple[set[str], set[str], set[str]]:
    """Return the columns that a query does not return, or with another type, or with another nullability."""
    declared = columns_of_protocol(protocol)
    both = declared.keys() & returned.keys()
    mistyped = {name for name in both if returned[name].type not in TYPES[declared[name].type]}
    otherwise_nullable = {name for name in both if returned[name].is_nullable != declared[name].is_nullable}
    return declared.keys() - returned.keys(), mistyped, otherwise_nullable


def test_every_query_has_arguments():
    """A new query needs arguments here, and a removed query or Protocol leaves none behind."""
    assert ARGUMENTS.keys() == queries().keys()
    assert TABLES_OF_UNIONS.keys() <= queries().keys()
    assert OTHERWISE_NULLABLE.keys() <= {each.__name__ for _, protocols in queries().values() for each in protocols}


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_query_returns_the_columns_of_its_protocol(name):
    """A column is nullable in the Protocol if it is nullable in its table, with the exceptions above."""
    query, protocols = queries()[name]
    statements = columns_of_query(query, ARGUMENTS[name], TABLES_OF_UNIONS.get(name))
    assert statements
    for protocol, columns in product(protocols, statements):
        assert disagreements(protocol, columns) == (set(), set(), OTHERWISE_NULLABLE.get(protocol.__name__, set()))


class WrongRow(Protocol):
    """A row with a misspelt column, a column hidden by a method, a wrong type, and two wrong nullabilities."""

    id: UUID
    expires_on: datetime | None
    count: int
    amounts_minor: int | None
    name: str | None
    code: str


@pytest.mark.usefixtures("database")
def test_a_wrong_protocol_is_noticed():
    """Every row has a method `count`, as every tuple has."""
    statement = text("SELECT id, expires_at, redemptions AS count, amounts_minor, name, code FROM vouchers")
    (columns,) = columns_of_query(lambda session: session.execute(statement), {})
    assert disagreements(WrongRow, columns) == ({"expires_on", "count"}, {"amounts_minor"}, {"name", "code"})


def test_protocols_are_found_within_other_types():
    """The TypeGuard of a row is not a row."""
    for annotation in (WrongRow, WrongRow | None, dict[str, list[WrongRow]], tuple[Sequence[WrongRow], int]):
        assert protocols_in(annotation) == {WrongRow}
    assert protocols_in(get_type_hints(is_accepted)["return"]) == protocols_in(list[int]) == set()
