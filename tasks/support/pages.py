"""The pages of an explanation: the newest requests, holds and discounts before a position, in the order of time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from domain.hold import HoldStatus
from domain.value_class import value
from models.discounts.discount import DiscountStatus
from models.discounts.listing import DiscountListing, older_discounts, older_discounts_ever_on
from models.discounts.row_types import ListedDiscountRow
from models.invoices.row_types import InvoiceRow
from models.redemptions.hold_listing import HoldListing, older_holds
from models.redemptions.listing import REASONS, RedemptionListing, older_redemptions
from models.redemptions.refused_holds import older_refused_of_customer, older_refused_of_subscription
from models.redemptions.row_types import HoldRow, RedemptionRow
from tasks.support.messages import Explain
from tasks.wire.pages import ListedRow

# A confirmed hold is shown as the redemption that confirmed it, and refused requests are read by themselves.
HOLDS_SHOWN = frozenset(HoldStatus) - {HoldStatus.CONFIRMED, HoldStatus.REFUSED}
Row = TypeVar("Row", bound=ListedRow)
# A decided request.
Asked = RedemptionRow | HoldRow


@value
class Page(Generic[Row]):
    """The newest rows before a position, in the order of time, and whether there are older ones."""

    rows: Sequence[Row]
    has_older: bool


@value
class Owner:
    """A customer or a subscription."""

    customer: str | None = None
    subscription: str | None = None


def read_requests(session: Session, request: Explain, *, invoice: InvoiceRow | None) -> Page[RedemptionRow]:
    """Return the decided redemptions. Those of an invoice are those of its subscription and its customer."""

    def older(limit: int) -> Iterator[RedemptionRow]:
        for owner in _owners(request, invoice=invoice):
            listing = RedemptionListing(
                project=request.project,
                is_accepted_listed=True,
                reasons=REASONS,
                customer=owner.customer,
                subscription=owner.subscription,
            )
            yield from older_redemptions(session, listing=listing, than=request.requests_before, limit=limit)

    return _page(older, limit=request.limit)


def read_holds(session: Session, request: Explain, *, invoice: InvoiceRow | None, now: datetime) -> Page[HoldRow]:
    """Return the requests for holds that were refused, or whose holds were not confirmed."""
    than = request.holds_before

    def older(limit: int) -> Iterator[HoldRow]:
        for owner in _owners(request, invoice=invoice):
            listing = HoldListing(
                project=request.project,
                statuses=HOLDS_SHOWN,
                now=now,
                customer=owner.customer,
                subscription=owner.subscription,
                voucher_id=None,
            )
            yield from older_holds(session, listing=listing, than=than, limit=limit)
            if owner.customer is not None:
                yield from older_refused_of_customer(
                    session, project=request.project, customer=owner.customer, than=than, limit=limit
                )
            if owner.subscription is not None:
                yield from older_refused_of_subscription(
                    session, project=request.project, subscription=owner.subscription, than=than, limit=limit
                )

    return _page(older, limit=request.limit)


def read_discounts(session: Session, request: Explain, *, invoice: InvoiceRow | None) -> Page[ListedDiscountRow]:
    """Return the discounts of the customer, or all that are or were on the subscription."""
    subscription = request.subscription if invoice is None else invoice.subscription
    if subscription is None:
        return _of_customer(session, request, customer=request.customer, than=request.discounts_before)
    return _page(
        lambda limit: older_discounts_ever_on(
            session, project=request.project, subscription=subscription, than=request.discounts_before, limit=limit
        ),
        limit=request.limit,
    )


def read_elsewhere(session: Session, request: Explain, *, invoice: InvoiceRow | None) -> Page[ListedDiscountRow]:
    """Return the newest discounts of an invoice's customer, on whatever subscription."""
    if invoice is None:
        return Page(rows=(), has_older=False)
    return _of_customer(session, request, customer=invoice.customer, than=None)


def _of_customer(
    session: Session, request: Explain, *, customer: str | None, than: UUID | None
) -> Page[ListedDiscountRow]:
    listing = DiscountListing(
        project=request.project,
        statuses=frozenset(DiscountStatus),
        subscription=None,
        customer=customer,
        voucher_id=None,
    )
    return _page(lambda limit: older_discounts(session, listing=listing, than=than, limit=limit), limit=request.limit)


def _owners(request: Explain, *, invoice: InvoiceRow | None) -> list[Owner]:
    if invoice is not None:
        return [Owner(subscription=invoice.subscription), Owner(customer=invoice.customer)]
    return [Owner(customer=request.customer, subscription=request.subscription)]


def _page(older: Callable[[int], Iterable[Row]], *, limit: int) -> Page[Row]:
    # A row more than is shown says whether there are older ones. A row may belong to both owners.
    rows = sorted({each.id: each for each in older(limit + 1)}.values(), key=lambda each: each.id)
    return Page(rows=rows[-limit:], has_older=len(rows) > limit)
