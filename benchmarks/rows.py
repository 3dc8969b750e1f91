"""Vouchers and redemptions that are in the database before a measure, and the requests of a measure."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import md5
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from tasks.invoices.messages import Apply
from tasks.redemptions.messages import Redeem
from worker.database import allow_long_statements, engine, transaction
from worker.database_waits import wait_without_limit

PROJECT = "bench"
AMOUNT_MINOR = 999
PERIOD = {"start": "2027-01-31", "end": "2027-02-28"}
LINES = [{"id": "base", "amount": 4300}, {"id": "seats", "amount": 3700}]
# Rows of an INSERT, which must end within the statement timeout of a task.
INSERTED_AT_ONCE = 100_000
# Turns off triggers and foreign keys, which would check each of a million rows.
UNCHECKED = "SET LOCAL session_replication_role = replica"

# SQL for the id of the redemption of that number, and of its discount.
REDEMPTION_ID = "lpad(to_hex(number), 32, '0')::uuid"

_numbers = count(1)
_turns = count()

Body = dict[str, Any]


def voucher_id(number: int) -> UUID:
    """Return the id of the voucher of that number. SQL computes the same id."""
    return UUID(md5(f"voucher-{number}".encode(), usedforsecurity=False).hexdigest())


def add_vouchers(how_many: int) -> list[str]:
    """Add vouchers of a fixed amount for three months, and return their ids."""
    with transaction() as session:
        session.execute(
            text("""
                INSERT INTO vouchers (project, id, created_at, name, amounts_minor, currency, recurrence,
                                      duration_in_months, maximum_redemptions, maximum_redemptions_per_customer,
                                      metadata)
                SELECT :project, md5('voucher-' || number)::uuid, now(), 'Bench', '{"USD": 999}', 'USD', 'repeating',
                       3, 1000000000, 5, '{}'
                FROM generate_series(0, :how_many - 1) AS number
            """),
            {"project": PROJECT, "how_many": how_many},
        )
    add_histories()
    analyze()
    return [str(voucher_id(number)) for number in range(how_many)]


def add_histories() -> None:
    """Add the creation and the retirement by hand to the history of each voucher that was added by SQL."""
    with transaction() as session:
        allow_long_statements(session.connection())
        session.execute(_ADD_HISTORIES)


_ADD_HISTORIES = text("""
    INSERT INTO voucher_changes (project, voucher_id, id, kind, created_at)
    SELECT project, vouchers.id, gen_random_uuid(), kind, at
    FROM vouchers
    CROSS JOIN LATERAL (
        VALUES ('created', created_at), ('retired', CASE retired_reason WHEN 'manualAction' THEN retired_at END)
    ) AS told (kind, at)
    WHERE at IS NOT NULL
    ON CONFLICT DO NOTHING
""")


def add_redemptions(*, first: int, how_many: int, vouchers: int) -> None:
    """Add accepted redemptions with their discounts, over the vouchers in turn, by SQL.

    They are numbered from `first`, which is 0 or follows the last number that was added. The request ids are spread
    over the index, which is the worst case for the ids of callers. The redemption ids are ascending, as Scrip's are.
    """
    for start in range(first, first + how_many, INSERTED_AT_ONCE):
        values = {"project": PROJECT, "first": start, "last": min(start + INSERTED_AT_ONCE, first + how_many) - 1}
        with transaction() as session:
            allow_long_statements(session.connection())
            session.execute(text(UNCHECKED))
            for statement in ADD_ACCEPTED:
                session.execute(text(statement), {**values, "vouchers": vouchers})
    with transaction() as session:
        counted = text("""
            UPDATE vouchers SET redemptions = counted.redemptions
            FROM (SELECT project, voucher_id, count(*) AS redemptions FROM redemptions GROUP BY 1, 2) AS counted
            WHERE vouchers.project = counted.project AND vouchers.id = counted.voucher_id
        """)
        allow_long_statements(session.connection())
        for setting in ("enable_seqscan = on", "enable_hashjoin = on"):
            session.execute(text(f"SET LOCAL {setting}"))
        session.execute(counted)


@contextmanager
def without_indexes(table: str) -> Iterator[None]:
    """Drop the indexes of a table, except a key that other tables refer to, and create them again in the end.

    Creating the indexes after the rows takes a fraction of the time.
    """
    with transaction() as session:
        undo = [(drop, add) for drop, add in session.execute(text(_INDEXES), {"table": table})]
        for drop, _ in undo:
            session.execute(text(drop))
    yield
    with transaction() as session:
        allow_long_statements(session.connection())
        session.execute(text("SET LOCAL maintenance_work_mem = '1GB'"))
        for _, add in undo:
            session.execute(text(add))


_INDEXES = """
    SELECT CASE WHEN c.oid IS NULL THEN format('DROP INDEX %I', i.indexrelid::regclass)
                ELSE format('ALTER TABLE %I DROP CONSTRAINT %I', i.indrelid::regclass, c.conname) END,
           CASE WHEN c.oid IS NULL THEN pg_get_indexdef(i.indexrelid)
                ELSE format('ALTER TABLE %I ADD CONSTRAINT %I %s', i.indrelid::regclass, c.conname,
                            pg_get_constraintdef(c.oid)) END
    FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u')
    WHERE i.indrelid = CAST(:table AS regclass)
          AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.conindid = i.indexrelid AND f.contype = 'f')
"""
_ADD_SUBSCRIPTIONS = """
    INSERT INTO subscriptions (project, subscription)
    SELECT :project, 'sub_' || number FROM generate_series(CAST(:first AS bigint), :last) AS number
"""
_ADD_REDEMPTIONS = f"""
    INSERT INTO redemptions (project, request_id, id, fingerprint, voucher_id, customer, subscription,
                             redemption_number, effective_at, decided_at)
    SELECT :project, md5('request-' || number), {REDEMPTION_ID}, decode(md5('body'), 'hex'),
           md5('voucher-' || number % :vouchers)::uuid, 'cus_' || number, 'sub_' || number,
           number / :vouchers + 1, now(), now()
    FROM generate_series(CAST(:first AS bigint), :last) AS number
"""  # noqa: S608 - made from the constant above
_ADD_DISCOUNTS = f"""
    INSERT INTO discounts (project, id, voucher_id, customer, subscription, created_at, amounts_minor, recurrence,
                           duration_in_months, starts_on, starts_on_in_utc)
    SELECT :project, {REDEMPTION_ID}, md5('voucher-' || number % :vouchers)::uuid, 'cus_' || number,
           'sub_' || number, now(), '{{"USD": 999}}', 'repeating', 3, '2027-01-01', '2027-01-01'
    FROM generate_series(CAST(:first AS bigint), :last) AS number
"""  # noqa: S608 - made from the constant above
# The rows of accepted redemptions from `:first` to `:last`, over the first `:vouchers` vouchers in turn.
ADD_ACCEPTED = (_ADD_SUBSCRIPTIONS, _ADD_REDEMPTIONS, _ADD_DISCOUNTS)


def analyze() -> None:
    """Vacuum and analyze, as autovacuum does soon after rows were added."""
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        wait_without_limit(connection)
        connection.execute(text("VACUUM ANALYZE"))


def redemption(*, voucher: str) -> Body:
    """Return a request of a new customer and a new subscription."""
    number = f"{next(_numbers)}-{uuid4().hex}"
    return {
        "project": PROJECT,
        "requestId": number,
        "voucher": voucher,
        "customer": f"cus_{number}",
        "subscription": f"sub_{number}",
        "currency": "USD",
        "startsOn": "2027-01-01",
    }


def redemptions(vouchers: Sequence[str], *, how_many: int) -> list[Body]:
    """Return requests over the vouchers in turn, starting after the last call."""
    return [redemption(voucher=vouchers[next(_turns) % len(vouchers)]) for _ in range(how_many)]


def invoice(number: int) -> Body:
    """Return an invoice of two lines for the subscription of the redemption of that number."""
    return {
        "project": PROJECT,
        "invoice": f"inv_{number}",
        "subscription": f"sub_{number}",
        "customer": f"cus_{number}",
        "currency": "USD",
        "period": PERIOD,
        "lines": LINES,
    }


def bulks(bodies: Sequence[Body], *, key: str, size: int) -> list[object]:
    """Return the bodies of bulk messages with these requests."""
    return [{key: list(bodies[start : start + size])} for start in range(0, len(bodies), size)]


def parsed_redemptions(bodies: Sequence[Body]) -> list[Redeem]:
    """Return the requests as the use case takes them."""
    return [Redeem.model_validate(each) for each in bodies]


def parsed_invoices(bodies: Sequence[Body]) -> list[Apply]:
    """Return the invoices as the use case takes them."""
    return [Apply.model_validate(each) for each in bodies]
