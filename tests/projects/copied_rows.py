"""Copies of every row of the projects, which belong to their twins: the same ids of the program too."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import JSON, Column, text

from models.base import Base
from tests.projects.calls import OF_EVERY_PROJECT, Answer, Call, answer
from tests.projects.twins import PROJECTS, twin_name
from tests.support.database_between_tests import separate_engine

TABLES = [table.name for table in Base.metadata.sorted_tables]
# A generated column makes itself.
COLUMNS = {
    table.name: [each for each in table.c if each.computed is None and each.name != "project"]
    for table in Base.metadata.sorted_tables
}
# What a changed copy says otherwise. A query that takes the twin's row for the project's shows it.
OTHERWISE = {
    "vouchers": "name = name || ' of the twin', percentage_millionths = 1000001 - percentage_millionths, "
    "expires_at = '2990-01-01'",
    "codes": "customer = 'twin', maximum_redemptions = 1000000, created_at = created_at + interval '1 s'",
    "discounts": "percentage_millionths = 1000001 - percentage_millionths, customer = customer || ' of the twin'",
    "holds": "customer = customer || ' of the twin', fingerprint = '\\x00'",
    "redemptions": "customer = customer || ' of the twin', fingerprint = '\\x00'",
    "invoice_discounts": "answer = '{}', fingerprint = '\\x00'",
    "invoice_reversals": "answer = CASE WHEN answer IS NOT NULL THEN CAST('{}' AS json) END",
    "usage_entries": "amount_minor = amount_minor + 1, phase = phase % 12 + 1",
    "usage_records": "answer = '{}', fingerprint = '\\x00'",
    "usage_reversals": "currency = 'XXX'",
    "code_generations": "fingerprint = '\\x00'",
    "write_answers": "answer = '{}', fingerprint = '\\x00'",
    "given_amounts": "amount_minor = amount_minor + 1",
    "voucher_changes": "actor = 'twin'",
    "discount_changes": "actor = 'twin'",
    "returned_places": "customer = customer || ' of the twin'",
}
# The copies that no sweep has anything to do with.
NOT_DUE = {
    "vouchers": "expires_at = NULL, maximum_redemptions = NULL",
    "codes": "expires_at = NULL, maximum_redemptions = NULL",
    "holds": "expires_at = expires_at + interval '1 year'",
    "discounts": "ends_on = NULL",
}
NAMES = {"names": sorted(PROJECTS), "twins": [twin_name(each) for each in sorted(PROJECTS)]}
OF_TWINS = "WHERE project = ANY (:twins)"


def _copied(column: Column[Any]) -> str:
    """Return what a copy has in the column. Stored answers and requests name the twin."""
    if isinstance(column.type, JSON):
        return f"CAST(replace(CAST({column.name} AS text), '\"' || own || '\"', '\"' || twin || '\"') AS {column.type})"
    return column.name


FORGET = [f"DELETE FROM {table} {OF_TWINS}" for table in TABLES]  # noqa: S608 - our own tables
COPY = [
    f"INSERT INTO {table} (project, {', '.join(each.name for each in columns)}) "  # noqa: S608
    f"SELECT twin, {', '.join(map(_copied, columns))} FROM {table} "
    "JOIN unnest(CAST(:names AS text[]), CAST(:twins AS text[])) AS twins (own, twin) ON project = own"
    for table, columns in COLUMNS.items()
]
CHANGE, POSTPONE = (
    [f"UPDATE {table} SET {changes} {OF_TWINS}" for table, changes in each.items()]  # noqa: S608
    for each in (OTHERWISE, NOT_DUE)
)
# The twin's discounts have all returned their places.
ADD = f"""
    INSERT INTO returned_places (project, discount_id, voucher_id, customer, kind, created_at)
    SELECT project, id, voucher_id, customer, 'whole', created_at FROM discounts {OF_TWINS} ON CONFLICT DO NOTHING
"""  # noqa: S608
LOCK = [f"SELECT 1 FROM {table} {OF_TWINS} FOR UPDATE" for table in TABLES]  # noqa: S608
ROWS = " UNION ALL ".join(
    f"SELECT '{table}', CAST(row_of AS text) FROM {table} AS row_of WHERE project = ANY (:projects)"  # noqa: S608
    for table in TABLES
)


def copy_rows() -> None:
    """Copy every row of the projects to their twins."""
    _run(*COPY)


def forget_copies() -> None:
    """Delete the rows of the twins."""
    _run(*FORGET)


def rows_of(*projects: str) -> list[tuple[str, ...]]:
    """Return each row of the projects, as text, with the name of its table."""
    with separate_engine().connect() as connection:
        return sorted(tuple(row) for row in connection.execute(text(ROWS), {"projects": list(projects)}))


def _run(*statements: str) -> None:
    # Without triggers and foreign keys.
    with separate_engine().connect() as connection:
        for each in statements:
            connection.execute(text(each), NAMES)


@contextmanager
def locked_twins() -> Iterator[None]:
    """Hold a lock of each row of the twins. Whoever wants one waits until the time for a lock is over."""
    with separate_engine().connect() as connection:
        connection.execute(text("BEGIN"))
        for each in LOCK:
            connection.execute(text(each), NAMES)
        try:
            yield
        finally:
            connection.execute(text("ROLLBACK"))


def answer_beside_copies(call: Call) -> list[Answer]:
    """Answer a call beside locked copies of all rows with other contents, which stay as they are."""
    forget_copies()
    if call.task == "audit.run":
        # It would find the copies at fault.
        return answer(call)
    _run(*COPY, *CHANGE, ADD, *(POSTPONE if call.task in OF_EVERY_PROJECT else ()))
    before = rows_of(*NAMES["twins"])
    with locked_twins():
        answers = answer(call)
    assert rows_of(*NAMES["twins"]) == before, f"{call.task} has changed rows of another project"
    return answers
