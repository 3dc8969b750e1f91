"""Holds: places of vouchers that are kept for a while, and how many each voucher has."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

REASONS_BEFORE = (
    "idempotency_conflict",
    "voucher_not_found",
    "voucher_retired",
    "code_retired",
    "voucher_not_started",
    "voucher_expired",
    "code_expired",
    "max_redemptions_reached",
    "code_max_redemptions_reached",
    "code_not_for_customer",
    "customer_limit_reached",
    "already_applied",
    "stamp_card_incomplete",
    "product_not_eligible",
    "currency_mismatch",
    "minimum_subtotal_not_met",
    "discount_limit_reached",
)
REASONS = (*REASONS_BEFORE, "fully_reserved")
NOT_STORED = "reason NOT IN ('idempotency_conflict', 'fully_reserved')"
IS_OPEN = "status = 'open'"
INDEXES: dict[str, tuple[list[str], str | None]] = {
    "ix_holds_customer": (["project", "voucher_id", "customer"], "closed_at IS NULL AND reason IS NULL"),
    "ix_holds_lapsing": (["project", "voucher_id", "expires_at"], "closed_at IS NULL AND expires_at IS NOT NULL"),
    "ix_holds_code": (["project", "code_id", "expires_at"], "closed_at IS NULL AND code_id IS NOT NULL"),
    "ix_holds_id": (["id", "project"], None),
    "ix_holds_due": (["expires_at", "id"], IS_OPEN),
}
UNIQUE = {
    "uq_holds_open": (["project", "voucher_id", "subscription"], IS_OPEN),
    "uq_holds_redemption": (["project", "redemption_id"], "redemption_id IS NOT NULL"),
}


def upgrade() -> None:
    op.add_column("vouchers", sa.Column("held", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.create_check_constraint(op.f("ck_vouchers_held_not_negative"), "vouchers", "held >= 0")
    _check_reasons({"reason_known": _known(REASONS), "reason_stored": NOT_STORED}, dropped="conflict_not_stored")
    _create_holds()


def downgrade() -> None:
    op.drop_table("holds")
    # Nothing that is stored has the reason that goes.
    kept = {"reason_known": _known(REASONS_BEFORE), "conflict_not_stored": "reason <> 'idempotency_conflict'"}
    _check_reasons(kept, dropped="reason_stored")
    op.drop_constraint(op.f("ck_vouchers_held_not_negative"), "vouchers", type_="check")
    op.drop_column("vouchers", "held")


def _known(reasons: Sequence[str]) -> str:
    members = ", ".join(f"'{reason}'" for reason in reasons)
    return f"reason IN ({members})"


def _check_reasons(conditions: dict[str, str], *, dropped: str) -> None:
    for name in ("reason_known", dropped):
        op.drop_constraint(op.f(f"ck_redemptions_{name}"), "redemptions", type_="check")
    for name, condition in conditions.items():
        op.create_check_constraint(op.f(f"ck_redemptions_{name}"), "redemptions", condition)


def _create_holds() -> None:
    conditions = {
        "status_known": "status IN ('open', 'confirmed', 'released', 'replaced', 'lapsed', 'refused')",
        "reason_known": _known(REASONS),
        "reason_stored": NOT_STORED,
        "refused_has_reason": "(status = 'refused') = (reason IS NOT NULL)",
        "held_has_end": "(status = 'refused') = (expires_at IS NULL)",
        "closed_whole": "(status IN ('open', 'refused')) = (closed_at IS NULL)",
        "confirmed_has_redemption": "(status = 'confirmed') = (redemption_id IS NOT NULL)",
        "held_has_voucher": "status = 'refused' OR voucher_id IS NOT NULL",
        "effective_not_later": "effective_at <= created_at",
        "end_after_beginning": "expires_at > created_at",
    }
    op.create_table(
        "holds",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("voucher_id", sa.Uuid(), nullable=True),
        sa.Column("code_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("subscription", sa.Text(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("effective_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("redemption_id", sa.Uuid(), nullable=True),
        *(sa.CheckConstraint(each, name=op.f(f"ck_holds_{name}")) for name, each in conditions.items()),
        sa.ForeignKeyConstraint(
            ["project", "voucher_id"],
            ["vouchers.project", "vouchers.id"],
            name=op.f("fk_holds_project_voucher_id_vouchers"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("project", "request_id", name=op.f("pk_holds")),
    )
    for name, (columns, where) in {**INDEXES, **UNIQUE}.items():
        condition = None if where is None else sa.text(where)
        op.create_index(name, "holds", columns, unique=name in UNIQUE, postgresql_where=condition)
    op.execute("ALTER TABLE holds ALTER COLUMN project SET STATISTICS 0")
