"""The table of given amounts: by voucher and currency, how much all discounts took off, net of reversals."""

from collections.abc import Iterable, Mapping
from typing import Protocol
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Integer, Text, Uuid, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, array_parameters, rows_from_arrays, table_of

# The project, the voucher and the currency.
GivenKey = tuple[str, UUID, str]
# Invoices of a voucher that are discounted at once add to different parts of its sum, so that none waits for another.
PARTS = 16


class GivenAmount(Base):
    """A part of the sum for a voucher and a currency. A part may be negative, the sum of the parts is not.

    Add to it at the end of a transaction, because the row stays locked until COMMIT.
    """

    __tablename__ = "given_amounts"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    currency: Mapped[str] = mapped_column(Text, primary_key=True)
    # The number of the connection's process, modulo 16.
    part: Mapped[int] = mapped_column(Integer, primary_key=True)
    # A cache of the ledger's sum; the audit compares both.
    amount_minor: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        # A voucher is never deleted, because its ledger refers to it.
        ForeignKeyConstraint(["project", "voucher_id"], ["vouchers.project", "vouchers.id"], ondelete="RESTRICT"),
        # Half of each page stays free, so that an update of the sum finds room on the same page.
        {"postgresql_with": {"fillfactor": 50}},
    )


class VoucherAmountsRow(Protocol):
    """The amounts of a voucher in a currency, in minor units. A row has what was given, or what the budget tells."""

    voucher_id: UUID
    currency: str
    given_minor: int | None
    spent_minor: int | None
    left_minor: int | None


GIVEN_AMOUNTS = table_of(GivenAmount)
_KEY = ("project", "voucher_id", "currency")
_NEW = rows_from_arrays("new", project=Text(), voucher_id=Uuid(), currency=Text(), amount_minor=BigInteger())
_INSERT = insert(GIVEN_AMOUNTS).from_select(
    [*_KEY, "amount_minor", "part"],
    select(
        *(_NEW.c[name] for name in (*_KEY, "amount_minor")), func.pg_backend_pid(type_=Integer()) % text(str(PARTS))
    ),
)
_ADD = _INSERT.on_conflict_do_update(
    index_elements=[*_KEY, "part"],
    set_={"amount_minor": GIVEN_AMOUNTS.c.amount_minor + _INSERT.excluded.amount_minor},
)
# One statement, so that the amounts of a voucher are of the same instant.
_AMOUNTS = text("""
    SELECT voucher_id, currency, sum(amount_minor)::bigint AS given_minor,
           NULL::bigint AS spent_minor, NULL::bigint AS left_minor
    FROM given_amounts WHERE project = :project AND voucher_id = ANY(CAST(:ids AS uuid[]))
    GROUP BY voucher_id, currency
    UNION ALL
    SELECT voucher_id, currency, NULL, spent_minor, amount_minor - spent_minor
    FROM budgets WHERE project = :project AND voucher_id = ANY(CAST(:ids AS uuid[]))
""")


def add_given(session: Session, *, given: Mapping[GivenKey, int]) -> None:
    """Add the amounts, in minor units, to the sums. A negative amount was reversed. Without amounts, do nothing.

    All transactions add in the order of the keys, so that two of them never deadlock.
    """
    rows = sorted((*key, amount) for key, amount in given.items())
    if rows:
        session.execute(_ADD, array_parameters("new", (*_KEY, "amount_minor"), rows))


def find_amounts(session: Session, *, project: str, vouchers: Iterable[UUID]) -> list[VoucherAmountsRow]:
    """Return the given amounts of vouchers, and what is spent and left of their budgets."""
    return list(session.execute(_AMOUNTS, {"project": project, "ids": list(vouchers)}))
