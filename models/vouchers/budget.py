"""The table of budgets: per voucher and currency, the most that all discounts together may give, and the sum so far."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Select,
    Text,
    Uuid,
    and_,
    collate,
    delete,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, array_parameters, rows_from_arrays, table_of

# The project, the voucher and the currency.
BudgetKey = tuple[str, UUID, str]


class Budget(Base):
    """The budget of a voucher in a currency. Lock the row before discounting an invoice by the voucher."""

    __tablename__ = "budgets"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    currency: Mapped[str] = mapped_column(Text, primary_key=True)
    # A copy of the amount in the voucher's `budget_minor`, so that a constraint can compare both.
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    # A cache of the ledger's sum; the audit compares both.
    spent_minor: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    __table_args__ = (
        # A voucher is never deleted: running discounts would lose their limit.
        ForeignKeyConstraint(["project", "voucher_id"], ["vouchers.project", "vouchers.id"], ondelete="RESTRICT"),
        CheckConstraint("amount_minor >= 1", name="amount_positive"),
        CheckConstraint("spent_minor BETWEEN 0 AND amount_minor", name="spent_within_amount"),
        # Half of each page stays free, so that an update of the sum finds room on the same page.
        {"postgresql_with": {"fillfactor": 50}},
    )


class BudgetRow(Protocol):
    """A row of `budgets`."""

    project: str
    voucher_id: UUID
    currency: str
    amount_minor: int
    spent_minor: int


BUDGETS = table_of(Budget)
_KEYS = rows_from_arrays("keys", project=Text(), voucher_id=Uuid(), currency=Text())
_SPENT = rows_from_arrays("spent", project=Text(), voucher_id=Uuid(), currency=Text(), amount=BigInteger())
_NAMED = and_(
    BUDGETS.c.project == _KEYS.c.project,
    BUDGETS.c.voucher_id == _KEYS.c.voucher_id,
    BUDGETS.c.currency == _KEYS.c.currency,
)
_FIND = select(BUDGETS).join(_KEYS, _NAMED)
_LOCK = _FIND.order_by(BUDGETS.c.voucher_id, collate(BUDGETS.c.currency, "C")).with_for_update(
    of=BUDGETS, key_share=True
)
_SPEND = (
    update(BUDGETS)
    .where(
        BUDGETS.c.project == _SPENT.c.project,
        BUDGETS.c.voucher_id == _SPENT.c.voucher_id,
        BUDGETS.c.currency == _SPENT.c.currency,
    )
    .values(spent_minor=BUDGETS.c.spent_minor + _SPENT.c.amount)
)


def lock_budgets(session: Session, *, keys: Iterable[BudgetKey]) -> dict[BudgetKey, int]:
    """Lock the budgets in order, and return the rest of each in minor units. Lock the discounts first."""
    return _left(session, _LOCK, keys=keys)


def find_budgets(session: Session, *, keys: Iterable[BudgetKey]) -> dict[BudgetKey, int]:
    """Return the rest of each budget in minor units, without a lock."""
    return _left(session, _FIND, keys=keys)


def _left(
    session: Session, statement: Select[*tuple[object, ...]], *, keys: Iterable[BudgetKey]
) -> dict[BudgetKey, int]:
    parameters = array_parameters("keys", ("project", "voucher_id", "currency"), set(keys))
    rows: Sequence[BudgetRow] = session.execute(statement, parameters).all()
    return {(row.project, row.voucher_id, row.currency): row.amount_minor - row.spent_minor for row in rows}


def spend_budgets(session: Session, *, spent: Mapping[BudgetKey, int]) -> None:
    """Add the amounts, in minor units, to the sums of locked budgets. A negative amount gives back."""
    rows = [(*key, amount) for key, amount in spent.items()]
    session.execute(_SPEND, array_parameters("spent", ("project", "voucher_id", "currency", "amount"), rows))


def lock_budgets_of(session: Session, *, project: str, voucher_id: UUID) -> Sequence[BudgetRow]:
    """Lock all budgets of a voucher, and return their rows. Lock the voucher first."""
    own = select(BUDGETS).where(BUDGETS.c.project == project, BUDGETS.c.voucher_id == voucher_id)
    return session.execute(own.order_by(collate(BUDGETS.c.currency, "C")).with_for_update(key_share=True)).all()


def set_budgets(session: Session, *, project: str, voucher_id: UUID, amounts_minor: Mapping[str, int]) -> None:
    """Replace the budgets of a voucher that is locked or new. The amounts are minor units by currency.

    The sums stay. Remove a currency only if nothing was spent in it.
    """
    of_voucher = and_(BUDGETS.c.project == project, BUDGETS.c.voucher_id == voucher_id)
    session.execute(delete(BUDGETS).where(of_voucher, BUDGETS.c.currency.not_in(amounts_minor)))
    if amounts_minor:
        rows = [
            {"project": project, "voucher_id": voucher_id, "currency": currency, "amount_minor": amount}
            for currency, amount in sorted(amounts_minor.items())
        ]
        new = insert(BUDGETS).values(rows)
        session.execute(
            new.on_conflict_do_update(
                index_elements=["project", "voucher_id", "currency"], set_={"amount_minor": new.excluded.amount_minor}
            )
        )
