"""Budgets: the most that a voucher may give in all, for each currency, and what it has given of it."""

from collections.abc import Iterable, Mapping
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

from models.base import Base, StoredRow, array_parameters, rows_from_arrays, table_of

# The project, the voucher and the currency.
BudgetKey = tuple[str, UUID, str]


class Budget(Base):
    """What one voucher may give in one currency. Whoever discounts an invoice by it holds this row."""

    __tablename__ = "budgets"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    currency: Mapped[str] = mapped_column(Text, primary_key=True)
    # As the voucher shows it; here it stands beside what it limits.
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    # A cache of the ledger's sum, which the audit compares.
    spent_minor: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    __table_args__ = (
        # No voucher is ever deleted; what it gave would lose its limit.
        ForeignKeyConstraint(["project", "voucher_id"], ["vouchers.project", "vouchers.id"], ondelete="RESTRICT"),
        CheckConstraint("amount_minor >= 1", name="amount_positive"),
        CheckConstraint("spent_minor BETWEEN 0 AND amount_minor", name="spent_within_amount"),
        # Room on each page for the next sum.
        {"postgresql_with": {"fillfactor": 50}},
    )


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
    """This function will lock those budgets in order, after the discounts, and return what is left of each."""
    return _left(session, _LOCK, keys=keys)


def find_budgets(session: Session, *, keys: Iterable[BudgetKey]) -> dict[BudgetKey, int]:
    """This function will return what is left of each of those budgets at this moment, without a lock."""
    return _left(session, _FIND, keys=keys)


def _left(
    session: Session, statement: Select[*tuple[object, ...]], *, keys: Iterable[BudgetKey]
) -> dict[BudgetKey, int]:
    parameters = array_parameters("keys", ("project", "voucher_id", "currency"), set(keys))
    rows = session.execute(statement, parameters).all()
    return {(row.project, row.voucher_id, row.currency): row.amount_minor - row.spent_minor for row in rows}


def spend_budgets(session: Session, *, spent: Mapping[BudgetKey, int]) -> None:
    """This function will add what a batch gave to budgets that are locked. A negative amount gives back."""
    rows = [(*key, amount) for key, amount in spent.items()]
    session.execute(_SPEND, array_parameters("spent", ("project", "voucher_id", "currency", "amount"), rows))


def lock_budgets_of(session: Session, *, project: str, voucher_id: UUID) -> list[StoredRow]:
    """This function will lock all the budgets of a voucher that is locked, and return their rows."""
    own = select(BUDGETS).where(BUDGETS.c.project == project, BUDGETS.c.voucher_id == voucher_id)
    return list(session.execute(own.order_by(collate(BUDGETS.c.currency, "C")).with_for_update(key_share=True)).all())


def set_budgets(session: Session, *, project: str, voucher_id: UUID, amounts_minor: Mapping[str, int]) -> None:
    """This function will give a voucher that is locked, or new, these budgets and no others.

    What was spent stays. Take a currency away only while nothing was spent in it.
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
