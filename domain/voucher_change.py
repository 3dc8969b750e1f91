"""The changes in the history of a voucher, and which of its fields an update has changed."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class VoucherChangeKind(StrEnum):
    """What an operator did to a voucher or to its codes."""

    CREATED = "created"
    UPDATED = "updated"
    CODES_ADDED = "codes_added"
    CODES_GENERATED = "codes_generated"
    CODE_RETIRED = "code_retired"
    RETIRED = "retired"


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of the fields of JSON objects that differ, before and after. Both have the same fields."""
    names = [name for name in before if _text(before[name]) != _text(after[name])]
    return {name: before[name] for name in names}, {name: after[name] for name in names}


def _text(value: object) -> str:
    # Python takes 1, 1.0 and True for equal, but JSON does not.
    return json.dumps(value, sort_keys=True)
