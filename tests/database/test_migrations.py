"""Migrations on filled tables: each goes down and up again over the rows of the contract's examples and keeps them.

A column that a migration adds is lost on the way down, and the migration fills it again.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.exc import IntegrityError

from models.base import Base
from tasks.monitoring.beat_ticks import store_tick
from tests.contract.page import Identities, steps
from tests.database.migrating import MIGRATIONS, Rows, configuration, rows_of
from tests.support.endings import end_subscription
from tests.support.environment import changed_environment
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import reverse
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.slow

BASELINE = "0001_baseline"
# Adds a column that old rows cannot have.
FAULTY = '''
"""A column without a value for the rows that are there."""

import sqlalchemy as sa
from alembic import op

revision = "faulty"
down_revision = "{head}"


def upgrade():
    op.add_column("vouchers", sa.Column("colour", sa.Text(), nullable=False))


def downgrade():
    op.drop_column("vouchers", "colour")
'''
# Columns that a migration adds. On the way up, it fills them for the rows that are there, or leaves them null.
LOST = {
    "codes": {"updated_at"},
    "dead_letters": {"id"},
    "discounts": {"completed_at", "updated_at"},
    "holds": {"other_discount_id"},
    "invoice_reversals": {"actor"},
    "redemptions": {"other_discount_id"},
    "usage_entries": {"cycle_start", "cycle_end"},
    # The sum of a voucher is kept, in another part.
    "given_amounts": {"part"},
}
# Tables that a migration adds. After the way down and up, they have what the rows of other tables tell, if anything.
# Emptied too: what a migration down drops comes back empty, unless another table has it.
EMPTIED = {"audits", "beat_ticks", "customer_erasures", "failed_attempts", "sweeps"}
LOST_TABLES = {*EMPTIED, "discount_changes", "voucher_changes"}
# Terms that keep a database from going down, in the columns of the examples' rows.
UNKNOWN_TERMS = """
    UPDATE vouchers SET excluded_products = NULL, first_purchase_only = false, priority = 500,
                        minimum_subtotal_on_invoice = false;
    UPDATE discounts SET excluded_products = NULL, priority = 500, minimum_subtotal_minor = NULL,
                         minimum_subtotal_currency = NULL;
    UPDATE codes SET maximum_redemptions_per_customer = NULL
"""
# Reasons that an earlier release does not know, each with the one that it gets on the way down.
NEAREST_REASONS = {
    "not_first_purchase": "product_not_eligible",
    "code_customer_limit_reached": "customer_limit_reached",
}


def kept(rows: Rows) -> dict[str, list[str]]:
    """Return the rows as texts in their order, without what a migration down loses."""
    return {
        table: sorted(
            json.dumps(
                {name: with_nearest_reason(name, row[name]) for name in row if name not in LOST.get(table, ())},
                sort_keys=True,
                default=repr,
            )
            for row in rows[table]
        )
        for table in rows
        if table not in LOST_TABLES
    }


def with_nearest_reason(column: str, value: object) -> object:
    """Return the value of a column, or the reason that a migration down leaves in its place."""
    return NEAREST_REASONS.get(str(value), value) if column == "reason" else value


def fill(url: str) -> None:
    """Copy the rows of the test database into another one of the same schema."""
    engine = create_engine(url)
    with transaction() as session, engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            columns = [each for each in table.c if each.computed is None]
            rows = [
                dict(zip((each.key for each in columns), row, strict=True)) for row in session.execute(select(*columns))
            ]
            if rows:
                connection.execute(insert(table), rows)
    engine.dispose()


def change(url: str, statements: str) -> None:
    """Change rows of a database as its owner."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statements))
    engine.dispose()


def told(changes: list[dict[str, Any]], subject: str) -> list[tuple[Any, ...]]:
    """Return whose, which and when each change was."""
    return sorted((row[subject], row["kind"], row.get("codes"), row["created_at"]) for row in changes)


def walk(url: str, migrations: Path) -> None:
    """Migrate down to the baseline and up again, one revision at a time."""
    config = configuration(migrations)
    later = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions(base=BASELINE, head="heads")]
    with changed_environment(DATABASE_URL=url):
        for revision in [*later[1:], BASELINE]:
            command.downgrade(config, revision)
        for revision in reversed(later):
            command.upgrade(config, revision)


@pytest.fixture
def filled(database: dict[str, str], two_databases: tuple[str, str]) -> str:  # noqa: ARG001 - emptied, then audited
    """Migrate a database and fill it with the rows that the contract's examples leave."""
    _, url = two_databases
    identities = Identities()
    # No earlier release knows credits, phases, exclusive vouchers, maximums in all or imports.
    unknown = re.compile('"creditOf"|"exclusive"|"maximumDiscountInAll"|"phases": \\[|SLOW-START|"redeemedAt"')
    for step in (each for each in steps() if not unknown.search(json.dumps(each.request))):
        answer = task_named(step.task)(request=identities.substitute(step.request))
        identities.differences(step.answer, answer)
    # What the examples lack: a redemption that never took effect returns its place, and an invoice is charged back.
    redeem(voucher=create_voucher()["id"], subscription="sub_unused")
    end_subscription("sub_unused")
    redeem(voucher=create_voucher()["id"], subscription="sub_1")
    apply(invoice="inv_1")
    reverse("inv_1", "charged_back", requestId="r1")
    store_tick()
    redeem(code="UNKNOWN")
    with changed_environment(DATABASE_URL=url):
        command.upgrade(configuration(MIGRATIONS), "head")
    fill(url)
    change(url, UNKNOWN_TERMS)
    return url


def test_every_migration_keeps_the_rows_of_filled_tables(filled: str):
    """In both directions; messages leave their rows in tables of their own, which the examples do not fill."""
    before = rows_of(filled)
    assert {name for name, rows in before.items() if not rows} <= {"attempts", "dead_letters", "imported_discounts"}
    walk(filled, MIGRATIONS)
    after = rows_of(filled)
    assert kept(after) == kept(before)
    assert {name for name, rows in after.items() if before[name] and not rows} == EMPTIED
    assert told(after["voucher_changes"], "voucher_id") == told(before["voucher_changes"], "voucher_id")
    ends = [[row for row in rows["discount_changes"] if row["kind"] == "ended"] for rows in (before, after)]
    assert told(ends[0], "discount_id") == told(ends[1], "discount_id")
    assert {row["actor"] for table in LOST_TABLES - EMPTIED for row in after[table]} == {None}
    assert {row["cycle_start"] == row["period_start"] for row in after["usage_entries"]} == {True}


def test_a_migration_that_filled_tables_cannot_have_is_noticed(filled: str, tmp_path: Path):
    """It would pass on the empty tables of any other test."""
    copy = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    head = ScriptDirectory.from_config(configuration(MIGRATIONS)).get_current_head()
    (copy / "versions" / "faulty.py").write_text(FAULTY.format(head=head))
    with pytest.raises(IntegrityError, match="colour"), changed_environment(DATABASE_URL=filled):
        command.upgrade(configuration(copy), "head")


def test_a_database_of_an_unknown_revision_is_refused(two_databases: tuple[str, str]):
    """Another version has migrated the database. One line names the revision, and nothing is changed."""
    _, url = two_databases
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num text)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('later')"))
    engine.dispose()
    with changed_environment(DATABASE_URL=url), pytest.raises(SystemExit, match=r"cannot be migrated: .*later"):
        command.upgrade(configuration(MIGRATIONS), "head")
