"""Helpers of the tests about redemptions and holds: outcomes to compare with, and changes of a voucher."""

from datetime import UTC, datetime, timedelta

from tests.support.tasks import task_named

ACCEPTED = ("accepted", None)
FULLY_RESERVED = ("refused", "fully_reserved")
LAST_PLACE = {"restrictions": {"maximumRedemptions": 1}}


def outcome(answer: dict) -> tuple:
    """Return the outcome and the reason of an answer."""
    return answer["outcome"], answer["reason"]


def retire(voucher: dict) -> None:
    """Retire a voucher by hand."""
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher["id"]})


def update(voucher: dict, **fields) -> dict:
    """Update a voucher."""
    answer: dict = task_named("vouchers.update")(request={"project": "gigs", "voucher": voucher["id"], **fields})
    return answer


def ago(minutes: float) -> str:
    """Return the instant so many minutes ago."""
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
