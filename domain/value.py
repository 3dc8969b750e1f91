"""Values: what the rules take and return. They are compared by their fields, made by keyword, and never changed."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

Class = TypeVar("Class")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def value(cls: type[Class]) -> type[Class]:
    """This function will make a dataclass of the class, frozen for the type checker.

    Python's own frozen dataclasses set each field through a call: making one takes two and a half times as long,
    and a batch of invoices makes thousands.
    """
    return dataclass(slots=True, kw_only=True)(cls)
