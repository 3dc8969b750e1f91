"""Create the vouchers of a batch of records. A bad record leaves the others."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy.orm import Session

from tasks.exports.lines import Line, answered, id_of, invalid
from tasks.foreign.adapter import renamed
from tasks.vouchers.create import NewVoucher, create_vouchers
from tasks.vouchers.messages import CreateVoucher
from tasks.wire.errors import InvalidRequest


def decide_vouchers(
    session: Session,
    bodies: Sequence[Any],
    *,
    object_: str,
    new: Callable[[Any], NewVoucher],
    names: Mapping[str, str] = MappingProxyType({}),
    note: Callable[[Any], str] = lambda _body: "",
    id_name: str = "id",
) -> list[list[Line]]:
    """Return a line about each record. `new` returns the voucher of a record, or raises InvalidRequest.

    `names` are those of our fields in the other system. `note` returns what else there is to say about a record that
    was imported.
    """
    parsed = [_parsed(body, new) for body in bodies]
    answers = iter(create_vouchers(session, [each for each in parsed if isinstance(each, NewVoucher)]))
    lines = list[Line]()
    for body, voucher in zip(bodies, parsed, strict=True):
        id_ = id_of(body, id_name)
        result = next(answers) if isinstance(voucher, NewVoucher) else voucher
        lines.append(
            invalid(object_, id_, renamed(result, names))
            if isinstance(result, InvalidRequest)
            else answered(object_, id_, result, note=note(body))
        )
    return [[each] for each in lines]


def as_full(voucher: CreateVoucher, *, redemptions: int) -> CreateVoucher:
    """Return the voucher with a maximum of so many redemptions if its own is lower, as other systems allow."""
    restrictions = voucher.restrictions
    if restrictions.maximum_redemptions is None or restrictions.maximum_redemptions >= redemptions:
        return voucher
    full = restrictions.model_copy(update={"maximum_redemptions": redemptions})
    return voucher.model_copy(update={"restrictions": full})


def _parsed(body: Any, new: Callable[[Any], NewVoucher]) -> NewVoucher | InvalidRequest:
    try:
        return new(body)
    except InvalidRequest as error:
        return error
