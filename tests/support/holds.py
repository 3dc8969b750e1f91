"""Requests about holds, with the tasks called as plain functions. To let time pass, the instants of rows are moved."""

from typing import Any

from sqlalchemy import Table, select, text

from models.redemptions.hold import HOLDS
from models.vouchers.voucher import VOUCHERS
from tests.support.administrator import as_administrator
from tests.support.requests import redemption
from tests.support.tasks import task_named
from worker.database import transaction


def reserve(**fields: Any) -> dict[str, Any]:
    """Hold a place for a new customer and subscription. Fields override the defaults."""
    answer: dict[str, Any] = task_named("redemptions.reserve")(request=redemption(**fields))
    return answer


def reference(hold: dict[str, Any]) -> dict[str, Any]:
    """Return the project and the id of a hold, as requests name a hold."""
    return {"project": hold["project"], "hold": hold["id"]}


def confirm(hold: dict[str, Any]) -> dict[str, Any]:
    """Confirm a hold."""
    answer: dict[str, Any] = task_named("redemptions.confirm")(request=reference(hold))
    return answer


def release(hold: dict[str, Any]) -> dict[str, Any]:
    """Release a hold."""
    answer: dict[str, Any] = task_named("redemptions.release")(request=reference(hold))
    return answer


def validate(**fields: Any) -> dict[str, Any]:
    """Return the answer of `redemptions.validate` to such a request."""
    body = {name: value for name, value in redemption(**fields).items() if name != "requestId" or name in fields}
    answer: dict[str, Any] = task_named("redemptions.validate")(request=body)
    return answer


def lapse() -> None:
    """Let eight days pass for every open hold, so that all have lapsed."""
    with as_administrator() as session:
        session.execute(
            text("""
                UPDATE holds SET effective_at = effective_at - interval '8 days',
                       created_at = created_at - interval '8 days', expires_at = expires_at - interval '8 days'
                WHERE closed_at IS NULL
            """)
        )


def stored(name: str = "status", table: Table = HOLDS) -> list[Any]:
    """Return a column of every row, in the order of the ids."""
    with transaction() as session:
        return list(session.execute(select(table.c[name]).order_by(table.c.id)).scalars())


def voucher_held() -> int:
    """Return the counter `held` of the only voucher."""
    return int(stored("held", VOUCHERS)[0])
