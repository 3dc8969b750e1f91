"""Exports of Gigs: vouchers (https://developers.gigs.com/api/latest/billing/vouchers)."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy.orm import Session

from domain.imported_history import ImportedHistory
from domain.terms import RetiredReason
from tasks.exports.lines import Line, id_of
from tasks.exports.system import Kind, Scope, System
from tasks.exports.vouchers import as_full, decide_vouchers
from tasks.foreign.gigs import CreateGigsVoucher, our_voucher
from tasks.vouchers.create import NewVoucher
from tasks.wire.fields import AMOUNT_MINOR_MAX, ExternalId
from tasks.wire.parsing import parse

VOUCHER = "voucher"


class GigsVoucher(CreateGigsVoucher):
    """The voucher object. What the request to create one has not is shown only, except for the redemptions."""

    object: Literal["voucher"]
    id: ExternalId
    created_at: str | None = None
    redemptions: Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)] = 0
    retired_reason: str | None = None
    status: Literal["available", "retired"] = "available"


def _delivery(key: str) -> str:
    return f"gigs.vouchers.import:{key}"


def _import_vouchers(session: Session, bodies: Sequence[Any], scope: Scope) -> list[list[Line]]:
    def new(body: Any) -> NewVoucher:
        voucher = parse(GigsVoucher, {**body, "project": scope.project})
        is_withdrawn = voucher.status == "retired" and voucher.retired_reason != RetiredReason.EXPIRED
        ours = our_voucher(voucher)
        return NewVoucher(
            request=as_full(ours, redemptions=voucher.redemptions),
            delivery=_delivery(voucher.id),
            history=ImportedHistory(redemptions=voucher.redemptions, is_withdrawn=is_withdrawn),
            body_fingerprint=ours.fingerprint(),
        )

    return decide_vouchers(session, bodies, object_=VOUCHER, new=new)


GIGS = System(
    kinds=(Kind(name=VOUCHER, decide=_import_vouchers, batch_size=100, key_of=id_of),),
    kind_of=lambda body: VOUCHER if body.get("object") == VOUCHER else None,
    delivery_of=_delivery,
)
