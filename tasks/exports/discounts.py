"""Import the discounts that a batch of records has, each as a request of `discounts.import`."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from domain.terms import RecurrenceType
from domain.value_class import value
from models.vouchers.look_up import find_created
from tasks.discounts.importing import import_all
from tasks.discounts.messages import ImportDiscount
from tasks.exports.lines import Line, Outcome, answered, invalid
from tasks.exports.system import Scope
from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest
from tasks.wire.fields import type_id
from tasks.wire.parsing import parse

NO_VOUCHER = "its coupon was not imported"


@value
class RunningDiscount:
    """A discount as another system has it: the voucher by its delivery id, and the other fields of our request.

    `body_if_once` has the fields if the voucher discounts a single invoice, unless they are the same.
    """

    object: str
    id: str
    delivery: str
    body: Answer
    body_if_once: Answer | None = None


def decide_discounts(
    session: Session, found: Sequence[Sequence[RunningDiscount | Line]], scope: Scope
) -> list[list[Line]]:
    """Return the lines of each record: those it has already, and one for each of its discounts."""
    discounts = [each for lines in found for each in lines if isinstance(each, RunningDiscount)]
    deliveries = {each.delivery for each in discounts}
    vouchers = find_created(session, project=scope.project, delivery_ids=deliveries) if deliveries else {}
    parsed = dict[int, ImportDiscount | Line]()
    for position, each in enumerate(discounts):
        voucher = vouchers.get(each.delivery)
        if voucher is None:
            parsed[position] = Line(object=each.object, id=each.id, outcome=Outcome.REFUSED, reason=NO_VOUCHER)
            continue
        is_once = voucher.recurrence == RecurrenceType.ONCE
        body = each.body if each.body_if_once is None or not is_once else each.body_if_once
        shared = {"project": scope.project, "voucher": type_id("vou", voucher.id), "actor": scope.actor}
        try:
            parsed[position] = parse(ImportDiscount, {**body, **shared})
        except InvalidRequest as error:
            parsed[position] = invalid(each.object, each.id, error)
    requests = [each for each in parsed.values() if isinstance(each, ImportDiscount)]
    answers = iter(import_all(session, requests) if requests else [])
    lines = iter(
        [
            result if isinstance(result, Line) else _line(discounts[position], next(answers))
            for position, result in parsed.items()
        ]
    )
    return [[each if isinstance(each, Line) else next(lines) for each in record] for record in found]


def _line(discount: RunningDiscount, answer: Answer | InvalidRequest) -> Line:
    if isinstance(answer, InvalidRequest):
        return invalid(discount.object, discount.id, answer)
    return answered(discount.object, discount.id, answer, name="discount")
