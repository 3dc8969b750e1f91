"""Answer a bulk request, item by item."""

from collections.abc import Callable, Sequence

from sqlalchemy.orm import Session

from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest
from tasks.wire.parsing import TOLD_MAX, WHOLE_REQUEST, Request, parse
from worker.database import run_in_transaction

# So many bad fields are told of all items together, and one more of each further item.
TOLD_OF_ALL_MAX = 5_000
NOT_TOLD = {"field": WHOLE_REQUEST, "message": "has more bad fields, which are not told"}


def answer_each(
    items: Sequence[object],
    *,
    message: type[Request],
    decide: Callable[[Session, list[Request]], Sequence[Answer | InvalidRequest]],
) -> Answer:
    """Decide the items of a bulk request in one transaction, and return their answers in order.

    A bad item is answered as `invalid`, and the others are decided. A decision may find a bad item too.
    """
    parsed = [_parse_item(message, item) for item in items]
    requests = [each for each in parsed if not isinstance(each, InvalidRequest)]
    decided = iter(run_in_transaction(lambda session: decide(session, requests)))
    results = [each if isinstance(each, InvalidRequest) else next(decided) for each in parsed]
    answers = [_invalid_answer(each) if isinstance(each, InvalidRequest) else each for each in results]
    _shorten(answers)
    return {"object": "list", "items": answers}


def _parse_item(message: type[Request], item: object) -> Request | InvalidRequest:
    try:
        return parse(message, item)
    except InvalidRequest as error:
        return error


def _shorten(answers: list[Answer]) -> None:
    """Tell fewer bad fields of each item, once the items before have told enough."""
    told = 0
    for answer in answers:
        errors = answer.get("errors") if answer["outcome"] == "invalid" else None
        if errors:
            if told + len(errors) > TOLD_OF_ALL_MAX:
                rest = errors[-1] if len(errors) > TOLD_MAX else NOT_TOLD
                answer["errors"] = errors = [errors[0], rest] if len(errors) > 1 else errors
            told += len(errors)


def _invalid_answer(error: InvalidRequest) -> Answer:
    return {"outcome": "invalid", "errors": error.errors}
