"""Calls of the tasks on codes, and changes that no task makes."""

from sqlalchemy import text

from tests.support.administrator import as_administrator
from tests.support.tasks import task_named

LONG_AGO = "2026-01-01T00:00:00Z"


def listed(voucher: dict, **fields) -> list[dict]:
    """Return all codes of a voucher, of either status, newest first."""
    body = {"status": ["available", "retired"], "limit": 200, **fields}
    items: list[dict] = task_named("codes.list")(
        request={"project": voucher["project"], "voucher": voucher["id"], **body}
    )["items"]
    return items


def retire(code: dict) -> dict:
    """Retire a code by hand."""
    answer: dict = task_named("codes.retire")(request={"project": code["project"], "code": code["id"]})
    return answer


def why(code: dict) -> tuple[str, str | None]:
    """Return the present status and the retired reason of a code."""
    voucher = {"project": code["project"], "id": code["voucher"]}
    (now,) = [each for each in listed(voucher) if each["id"] == code["id"]]
    return now["status"], now["retiredReason"]


def set_voucher(voucher: dict, assignment: str) -> None:
    """Change columns of a voucher's row."""
    with as_administrator() as session:
        statement = f"UPDATE vouchers SET {assignment} WHERE name = :name"  # noqa: S608 - the tests' own words
        session.execute(text(statement), {"name": voucher["name"]})
