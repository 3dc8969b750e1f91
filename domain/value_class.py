"""A decorator for the values that the rules take and return: compared by their fields, and never changed."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

Class = TypeVar("Class")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def value(cls: type[Class]) -> type[Class]:
    """Make a dataclass of the class, frozen for the type checker only.

    A dataclass that Python freezes sets each field through a function call, so it takes two and a half times as long
    to build. A batch of invoices builds thousands.
    """
    return dataclass(slots=True, kw_only=True)(cls)
