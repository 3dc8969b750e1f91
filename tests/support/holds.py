"""Requests about holds, the tasks called as plain functions, and time that passes by moving the rows' instants."""

from typing import Any

from sqlalchemy import Table, select, text

from models.redemptions.hold import HOLDS
from models.vouchers.voucher import VOUCHERS
from tests.support.requests import redemption
from tests.support.tasks import task_named
from worker.database import transaction


def reserve(**fields: Any) -> dict[str, Any]:
    """This function will hold a place for its own customer and subscription, except for what is said otherwise."""
    answer: dict[str, Any] = task_named("redemptions.reserve")(request=redemption(**fields))
    return answer


def reference(hold: dict[str, Any]) -> dict[str, Any]:
    """This function will return how a hold is named."""
    return {"project": hold["project"], "hold": hold["id"]}


def confirm(hold: dict[str, Any]) -> dict[str, Any]:
    """This function will confirm a hold."""
    answer: dict[str, Any] = task_named("redemptions.confirm")(request=reference(hold))
    return answer


def release(hold: dict[str, Any]) -> dict[str, Any]:
    """This function will release a hold."""
    answer: dict[str, Any] = task_named("redemptions.release")(request=reference(hold))
    return answer


def validate(**fields: Any) -> dict[str, Any]:
    """This function will ask what such a request would be answered."""
    body = {name: value for name, value in redemption(**fields).items() if name != "requestId" or name in fields}
    answer: dict[str, Any] = task_named("redemptions.validate")(request=body)
    return answer


def lapse() -> None:
    """This function will let a week and a day pass for every hold that is open, which has lapsed then."""
    with transaction() as session:
        session.execute(
            text("""
                UPDATE holds SET effective_at = effective_at - interval '8 days',
                       created_at = created_at - interval '8 days', expires_at = expires_at - interval '8 days'
                WHERE closed_at IS NULL
            """)
        )


def stored(name: str = "status", table: Table = HOLDS) -> list[Any]:
    """This function will return a column of every row, in the order of the identities."""
    with transaction() as session:
        return list(session.execute(select(table.c[name]).order_by(table.c.id)).scalars())


def voucher_held() -> int:
    """This function will return what the one voucher counts as held."""
    return int(stored("held", VOUCHERS)[0])
