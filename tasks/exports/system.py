"""What an import knows of another system: the kinds of its records, in the order in which they are brought over."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy.orm import Session

from domain.value_class import value
from tasks.exports.lines import Line
from tasks.exports.staging import Staging


@value
class Scope:
    """What all records of an import share: the project, who imports them, and the other records."""

    project: str
    actor: str | None
    staging: Staging


Decide = Callable[[Session, Sequence[Any], Scope], list[list[Line]]]


def no_vouchers(_body: Any) -> Iterable[str]:
    """Return that a record needs no vouchers."""
    return ()


@value
class Kind:
    """A kind of records. `decide` returns the lines of each record of a batch, which is a transaction.

    `vouchers_of` returns the keys of the vouchers that a record needs. They are keys of the system's first kind.
    """

    name: str
    decide: Decide
    batch_size: int
    key_of: Callable[[Any], str]
    parent_of: Callable[[Any], str] = lambda _body: ""
    vouchers_of: Callable[[Any], Iterable[str]] = no_vouchers


@value
class System:
    """A system whose exports can be brought over. The first of its kinds are vouchers.

    `kind_of` returns the name of a record's kind, or None. `delivery_of` returns the text that takes the place of a
    task id for the voucher with a key. `opened` takes a record out of what the system wraps around it.
    """

    kinds: tuple[Kind, ...]
    kind_of: Callable[[Any], str | None]
    delivery_of: Callable[[str], str]
    opened: Callable[[Any], Any] = lambda body: body
