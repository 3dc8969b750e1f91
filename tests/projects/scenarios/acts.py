"""The acts of a project and its twin, and what several scenarios send."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.projects.calls import Call
from tests.support.requests import apply, create_voucher, redeem

# The name of a task, and a request of the project.
Act = tuple[str, dict[str, Any]]
# A window that is over, and that no sweep has completed yet.
PAST_WINDOW = {"recurrence": {"type": "repeating", "durationInMonths": 1}}
PAST_PERIOD = {"start": "2026-01-01", "end": "2026-02-01"}
ACTOR = {"project": "gigs", "actor": "anna@support"}


@dataclass(frozen=True, kw_only=True)
class Acts:
    """Requests that both projects send, and before them those that only the twin sends."""

    both: Sequence[Act]
    of_twin: Sequence[Act] = ()


def calls(acts: Sequence[Act]) -> list[Call]:
    """Return each act as a call by itself."""
    return [Call(task, [request]) for task, request in acts]


def window_that_is_over() -> str:
    """Redeem a voucher on sub_1 whose discount is over, and return the voucher's id."""
    voucher: str = create_voucher(**PAST_WINDOW)["id"]
    redeem(voucher=voucher, subscription="sub_1", startsOn="2026-01-01", currency="USD")
    apply(invoice="inv_old", period=PAST_PERIOD)
    return voucher


def of_voucher(voucher: dict[str, Any]) -> dict[str, Any]:
    """Return the project and the voucher, as requests name it."""
    return {"project": "gigs", "voucher": voucher["id"]}


def of_request(request: dict[str, Any]) -> dict[str, Any]:
    """Return the project and the id of a request."""
    return {"project": "gigs", "requestId": request["requestId"]}


def of_inv_1(kind: str) -> dict[str, Any]:
    """Return a reversal of inv_1."""
    return {"project": "gigs", "invoice": "inv_1", "kind": kind}


def shown() -> list[Act]:
    """Return the act that lists the discounts of sub_1."""
    return [("discounts.list", {"project": "gigs", "subscription": "sub_1"})]
