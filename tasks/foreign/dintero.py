"""The usages of a discount in the format of Dintero: `GET /v1/accounts/{aid}/discounts/rules/{did}/usages`.

See https://docs.dintero.com/api-reference/rules-customers/get-discount-ref-usages. `aid` is the project, `did` the
voucher. The documents do not say which id of an item `starting_after` takes, so it may be `id` or `ref_id`.
"""

from typing import Annotated

from pydantic import Field, StringConstraints

from models.base import read_one_snapshot
from tasks.foreign.adapter import SnakeCaseMessage, fields_named, plain_uuid
from tasks.intake.task import contract_task
from tasks.usages.items import NO_CURRENCY
from tasks.usages.list import list_usages
from tasks.usages.messages import ListUsages
from tasks.wire.answers import Answer
from tasks.wire.fields import UsageId, VoucherId
from tasks.wire.parsing import parse
from tasks.wire.replay import AnswerTable
from worker.database import transaction

LIMIT_MAX = 1_000
# Our names of the parameters in which our use case finds an error, and the names in Dintero's format.
FIELDS = {"startingAfter": "starting_after"}


class DinteroUsages(SnakeCaseMessage):
    """`dintero.discounts.usages`: the parameters of the path and of the query."""

    aid: Annotated[str, StringConstraints(pattern=r"^[PT][0-9]{8}$")]
    did: VoucherId
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = 10
    starting_after: UsageId | None = None


@contract_task("dintero.discounts.usages", message=DinteroUsages, first_answer=AnswerTable.READS)
def usages(request: DinteroUsages) -> list[Answer]:
    """Return a page of a discount's usages, as a bare list."""
    with fields_named(FIELDS), transaction() as session:
        read_one_snapshot(session)
        page = list_usages(session, our_request(request))
    return [dintero_usage(each) for each in page["items"]]


def our_request(request: DinteroUsages) -> ListUsages:
    """Return our request for the same page."""
    after = request.starting_after
    body = {
        "project": request.aid,
        "voucher": str(request.did),
        "limit": request.limit,
        "startingAfter": None if after is None else str(after),
    }
    return parse(ListUsages, body)


def dintero_usage(usage: Answer) -> Answer:
    """Return a usage in Dintero's format. `create_at` is spelt as in the documents."""
    return {
        "id": plain_uuid(usage["id"]),
        "ref_id": usage["refId"] and plain_uuid(usage["refId"]),
        "discount_id": plain_uuid(usage["discountId"]),
        "customer_id": usage["customerId"],
        "create_at": usage["createdAt"],
        "updated_at": usage["updatedAt"],
        "created_by": usage["createdBy"],
        "usage_refs": [_usage_ref(each) for each in usage["usageRefs"]],
        "statistics": _statistics(usage["statistics"]),
    }


def _usage_ref(entry: Answer) -> Answer:
    return {
        "ref": entry["ref"],
        "ref_type": entry["refType"],
        "usage": entry["usage"],
        "stamp": entry["stamp"],
        "amount": entry["amount"],
        "created_at": entry["createdAt"],
        "created_by": entry["createdBy"],
    }


def _amount(amounts: dict[str, int]) -> int | None:
    # A Dintero account has one currency, which an amount without a currency has too. Amounts in several currencies have
    # no sum.
    return None if len(amounts.keys() - {NO_CURRENCY}) > 1 else sum(amounts.values())


def _statistics(statistics: Answer) -> Answer:
    return {
        "stamp": statistics["stamp"],
        "used": statistics["used"],
        "usage": statistics["usage"],
        "amount": _amount(statistics["amounts"]),
        "debit_balance": statistics["debitBalance"],
        "current_stamp": statistics["currentStamp"],
    }
