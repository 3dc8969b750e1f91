"""Reversals of invoices, discounts that are ended, and places that are free again."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"

APPEND_ONLY = ("invoice_reversals", "usage_reversals", "returned_places")
REASON_KNOWN = "reason IN ('voided', 'payment_failed', 'refunded')"
GIVEN_BACK = "reason <> 'refunded'"


def upgrade() -> None:
    _end_discounts()
    _return_places()
    _add_invoice_reversals()
    _add_usage_reversals()
    _add_returned_places()
    for table in APPEND_ONLY:
        op.execute(f"""
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """)
        op.execute(f"ALTER TABLE {table} ALTER COLUMN project SET STATISTICS 0")


def downgrade() -> None:
    _refuse_to_lose_the_ledger()
    for table in ("returned_places", "usage_reversals", "invoice_reversals"):
        op.drop_table(table)
    _keep_places()
    _complete_discounts()


def _refuse_to_lose_the_ledger() -> None:
    # Without them the discounts and the counters that stay would say something else than the ledger that stays.
    for table in ("invoice_reversals", "returned_places"):
        if op.get_bind().execute(sa.text(f"SELECT EXISTS (SELECT FROM {table})")).scalar_one():  # noqa: S608 - our tables
            message = f"{table} has rows: going below 0009 would drop a ledger that discounts and places rely on"
            raise RuntimeError(message)


def _end_discounts() -> None:
    op.add_column(
        "discounts", sa.Column("entries_given_back", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("discounts", sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    _know_statuses("running", "completed", "ended")
    op.create_check_constraint(op.f("ck_discounts_given_back_not_negative"), "discounts", "entries_given_back >= 0")
    op.create_check_constraint(
        op.f("ck_discounts_ended_whole"), "discounts", "(status = 'ended') = (ended_at IS NOT NULL)"
    )
    op.create_index("ix_discounts_customer", "discounts", ["customer", sa.text('project COLLATE "C"'), "status", "id"])
    op.create_index("ix_discounts_voucher", "discounts", ["voucher_id", sa.text('project COLLATE "C"'), "status", "id"])


def _complete_discounts() -> None:
    op.drop_index("ix_discounts_voucher", table_name="discounts")
    op.drop_index("ix_discounts_customer", table_name="discounts")
    op.drop_column("discounts", "ended_at")
    # The nearest that there was.
    op.execute("UPDATE discounts SET status = 'completed' WHERE status = 'ended'")
    _know_statuses("running", "completed")
    op.drop_column("discounts", "entries_given_back")


def _know_statuses(*statuses: str) -> None:
    op.drop_constraint(op.f("ck_discounts_status_known"), "discounts", type_="check")
    members = ", ".join(f"'{each}'" for each in statuses)
    op.create_check_constraint(op.f("ck_discounts_status_known"), "discounts", f"status IN ({members})")


def _return_places() -> None:
    for table in ("vouchers", "codes"):
        op.add_column(table, sa.Column("places_returned", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
        op.create_check_constraint(
            op.f(f"ck_{table}_places_within_redemptions"), table, "places_returned BETWEEN 0 AND redemptions"
        )
        _count_full(table, "redemptions - places_returned")


def _keep_places() -> None:
    for table in ("vouchers", "codes"):
        # Where more were redeemed than there were places, the old constraint refuses to come back.
        _count_full(table, "redemptions")
        op.drop_column(table, "places_returned")


def _count_full(table: str, taken: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_redemptions_within_maximum"), table, type_="check")
    op.create_check_constraint(op.f(f"ck_{table}_redemptions_within_maximum"), table, f"{taken} <= maximum_redemptions")
    # What a column is computed from cannot be changed before Postgres 17.
    op.drop_column(table, "is_full")
    computed = sa.Computed(f"coalesce({taken} >= maximum_redemptions, false)", persisted=True)
    op.add_column(table, sa.Column("is_full", sa.Boolean(), computed, nullable=False))
    op.create_index(f"ix_{table}_full", table, ["id"], postgresql_where=sa.text("retired_reason IS NULL AND is_full"))


def _add_invoice_reversals() -> None:
    op.create_table(
        "invoice_reversals",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(REASON_KNOWN, name=op.f("ck_invoice_reversals_reason_known")),
        sa.ForeignKeyConstraint(
            ["project", "invoice"],
            ["invoice_discounts.project", "invoice_discounts.invoice"],
            name=op.f("fk_invoice_reversals_project_invoice_invoice_discounts"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_invoice_reversals")),
    )
    columns = ["project", "invoice"]
    op.create_index("ix_invoice_reversals_invoice", "invoice_reversals", columns)
    op.create_index(
        "uq_invoice_reversals_given_back",
        "invoice_reversals",
        columns,
        unique=True,
        postgresql_where=sa.text(GIVEN_BACK),
    )


def _add_usage_reversals() -> None:
    op.create_table(
        "usage_reversals",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("discount_id", sa.Uuid(), nullable=False),
        sa.Column("invoice", sa.Text(), nullable=False),
        sa.Column("reversal_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("is_in_full", sa.Boolean(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(REASON_KNOWN, name=op.f("ck_usage_reversals_reason_known")),
        sa.CheckConstraint("amount_minor <= 0", name=op.f("ck_usage_reversals_amount_not_positive")),
        sa.ForeignKeyConstraint(
            ["project", "discount_id", "invoice"],
            ["usage_entries.project", "usage_entries.discount_id", "usage_entries.invoice"],
            name=op.f("fk_usage_reversals_project_discount_id_invoice_usage_entries"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["project", "reversal_id"],
            ["invoice_reversals.project", "invoice_reversals.id"],
            name=op.f("fk_usage_reversals_project_reversal_id_invoice_reversals"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_usage_reversals")),
    )
    columns = ["project", "discount_id", "invoice"]
    op.create_index("ix_usage_reversals_entry", "usage_reversals", columns)
    op.create_index(
        "uq_usage_reversals_given_back", "usage_reversals", columns, unique=True, postgresql_where=sa.text(GIVEN_BACK)
    )


def _add_returned_places() -> None:
    op.create_table(
        "returned_places",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("discount_id", sa.Uuid(), nullable=False),
        sa.Column("voucher_id", sa.Uuid(), nullable=False),
        sa.Column("code_id", sa.Uuid(), nullable=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('customer', 'whole')", name=op.f("ck_returned_places_kind_known")),
        sa.ForeignKeyConstraint(
            ["project", "discount_id"],
            ["discounts.project", "discounts.id"],
            name=op.f("fk_returned_places_project_discount_id_discounts"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("project", "discount_id", name=op.f("pk_returned_places")),
    )
    op.create_index("ix_returned_places_customer", "returned_places", ["project", "voucher_id", "customer"])
