"""Filter vouchers by campaign, name, metadata and time of creation, in words that their indexes have too."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DDL

from domain.value_class import value
from models.base import first_id_at

# So many characters of a name are in its index. A key of an index has a limit, and a name may be longer.
NAME_KEY_CHARACTERS = 64
HIGHEST_CHARACTER = "\U0010ffff"
NAME_KEY = f'left(name, {NAME_KEY_CHARACTERS}) COLLATE "C"'
# A digest for each pair of a voucher's metadata, with the project: a key of an index has a limit, and a value may be
# longer. JSONB writes equal values in one way.
METADATA_PAIRS = "metadata_pairs(project, metadata)"
CREATE_METADATA_PAIRS = DDL("""
    CREATE OR REPLACE FUNCTION metadata_pairs(project text, metadata json) RETURNS bytea[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT array_agg(sha256(convert_to(CAST(jsonb_build_array(project, key, value) AS text), 'UTF8')))
        FROM jsonb_each(CAST(metadata AS jsonb))
    $$
""")  # type: ignore[no-untyped-call]  # DDL has no types
_CONDITIONS = {
    "campaign": "campaign = :campaign",
    "metadata": f"{METADATA_PAIRS} @> metadata_pairs(:project, CAST(:metadata AS json))",
    "name": (
        f'project COLLATE "C" = :project AND {NAME_KEY} BETWEEN :first_name_key AND :last_name_key '
        "AND starts_with(name, :name)"
    ),
}


@value
class VoucherFilter:
    """A filter of vouchers. None is no condition.

    `name` is a beginning. `metadata` is a key with its value. The span of time is [created_from, created_before).
    """

    campaign: str | None = None
    metadata: tuple[str, Any] | None = None
    name: str | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None

    def conditions(self) -> list[str]:
        """Return the conditions on columns of `vouchers`. An index leads to the vouchers that meet the first one."""
        return [condition for name, condition in _CONDITIONS.items() if getattr(self, name) is not None]

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the conditions, except the project."""
        found: dict[str, Any] = {} if self.campaign is None else {"campaign": self.campaign}
        if self.metadata is not None:
            found["metadata"] = json.dumps(dict([self.metadata]))
        if self.name is not None:
            key = self.name[:NAME_KEY_CHARACTERS]
            last = key.ljust(NAME_KEY_CHARACTERS, HIGHEST_CHARACTER)
            found |= {"name": self.name, "first_name_key": key, "last_name_key": last}
        return found

    def narrow(self, lowest: UUID, end: UUID) -> tuple[UUID, UUID]:
        """Return a span [lowest, end) of ids without those of vouchers that were created at another time."""
        return (
            lowest if self.created_from is None else max(lowest, first_id_at(self.created_from)),
            end if self.created_before is None else min(end, first_id_at(self.created_before)),
        )
