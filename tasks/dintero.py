"""The usages of a discount as Dintero documents them: `GET /v1/accounts/{aid}/discounts/rules/{did}/usages`.

See https://docs.dintero.com/api-reference/rules-customers/get-discount-ref-usages. `aid` is the project, `did` the
voucher. An item's `id` and its `ref_id` are one identity, so that either can be given as `starting_after`.
"""

from typing import Annotated

from pydantic import Field, StringConstraints

from tasks.fields import VoucherId
from tasks.foreign import SnakeCaseMessage, plain_uuid
from tasks.wire import Answer

LIMIT_MAX = 1_000


class DinteroUsages(SnakeCaseMessage):
    """`dintero.discounts.usages`: the parameters of the path and of the query."""

    aid: Annotated[str, StringConstraints(pattern=r"^[PT][0-9]{8}$")]
    did: VoucherId
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = 10
    starting_after: str | None = None


def dintero_usage(usage: Answer) -> Answer:
    """This function will say in their words what our usage item is. `create_at` is their spelling."""
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


def _statistics(statistics: Answer) -> Answer:
    return {
        "stamp": statistics["stamp"],
        "used": statistics["used"],
        "usage": statistics["usage"],
        "amount": statistics["amount"],
        "debit_balance": statistics["debitBalance"],
        "current_stamp": statistics["currentStamp"],
    }
