"""Create the vouchers of a batch of records, each in a savepoint, so that a bad one leaves the others."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.orm import Session

from tasks.exports.lines import Line, answered, id_of, invalid
from tasks.vouchers.messages import CreateVoucher
from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest


def decide_each(
    session: Session,
    bodies: Sequence[Any],
    *,
    object_: str,
    create: Callable[[Session, Any], Answer],
    note: Callable[[Any], str] = lambda _body: "",
    id_name: str = "id",
) -> list[list[Line]]:
    """Return a line about each record. `create` returns the answer of a use case, or raises InvalidRequest.

    `note` returns what else there is to say about a record that was imported.
    """
    lines = list[Line]()
    for body in bodies:
        id_ = id_of(body, id_name)
        try:
            with session.begin_nested():
                answer = create(session, body)
        except InvalidRequest as error:
            lines.append(invalid(object_, id_, error))
        else:
            lines.append(answered(object_, id_, answer, note=note(body)))
    return [[each] for each in lines]


def as_full(voucher: CreateVoucher, *, redemptions: int) -> CreateVoucher:
    """Return the voucher with a maximum of so many redemptions if its own is lower, as other systems allow."""
    restrictions = voucher.restrictions
    if restrictions.maximum_redemptions is None or restrictions.maximum_redemptions >= redemptions:
        return voucher
    full = restrictions.model_copy(update={"maximum_redemptions": redemptions})
    return voucher.model_copy(update={"restrictions": full})
