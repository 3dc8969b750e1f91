"""Faults to plant into the invented history, and the names of what the checker finds there."""

from collections.abc import Callable
from typing import Any

from tests.faults.checker import find_broken_promises
from tests.faults.history import History
from tests.faults.invented import Invented
from tests.faults.stored_rows import StoredRows

Plant = Callable[[Invented], None]
FAILED: dict[str, Any] = {"state": "FAILURE", "answer": None}


def change(name: str, **fields: Any) -> Plant:
    """Return a planted fault that changes an asking."""
    return lambda invented: invented.change(name, **fields)


def forget(name: str) -> Plant:
    """Return a planted fault that leaves an asking out."""

    def plant(invented: Invented) -> None:
        del invented.askings[name]

    return plant


def redeem(name: str, **fields: Any) -> Plant:
    """Return a planted fault that adds a redemption at the end."""
    return lambda invented: invented.redeem(name, **fields)


def bill(name: str, invoice: str, **fields: Any) -> Plant:
    """Return a planted fault that adds an invoice at the end."""
    return lambda invented: invented.bill(name, invoice, **fields)


def credit(name: str, invoice: str, **fields: Any) -> Plant:
    """Return a planted fault that adds a credit at the end."""
    return lambda invented: invented.credit(name, invoice, **fields)


def reverse(name: str, invoice: str, **fields: Any) -> Plant:
    """Return a planted fault that adds a reversal at the end."""
    return lambda invented: invented.reverse(name, invoice, **fields)


def names_found(plant: Plant, stored: StoredRows | None = None) -> set[str]:
    """Return the names of the findings after a fault was planted."""
    invented = Invented()
    plant(invented)
    return {each.check for each in find_broken_promises(History(invented.askings.values()), stored)}
