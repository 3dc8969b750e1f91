"""The rows that the queries on codes return, with the types of their columns."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class CodeTermsRow(Protocol):
    """The columns of a code that the rules take: own limits, customer and retirement."""

    maximum_redemptions: int | None
    maximum_redemptions_per_customer: int | None
    expires_at: datetime | None
    customer: str | None
    retired_reason: str | None


class CodeRow(CodeTermsRow, Protocol):
    """A whole row of `codes`."""

    project: str
    id: UUID
    voucher_id: UUID
    code: str
    created_at: datetime
    redemptions: int
    places_returned: int
    retired_at: datetime | None
    updated_at: datetime | None


class NamedCodeRow(CodeTermsRow, Protocol):
    """The code that a text names, with the columns that a decision needs. `wanted` is the text in lower case."""

    project: str
    wanted: str
    id: UUID
    voucher_id: UUID
    code: str
    redemptions: int
    places_returned: int


class TextHolderRow(Protocol):
    """An available code with a wanted text, and the ends of the code and of the voucher."""

    project: str
    id: UUID
    voucher_id: UUID
    code: str
    created_at: datetime
    expires_at: datetime | None
    voucher_expires_at: datetime | None
    voucher_retired_reason: str | None
    voucher_retired_at: datetime | None


class GenerationRow(Protocol):
    """A row of `code_generations`. `requested` is the column `count`, because every row has a method `count`."""

    project: str
    id: UUID
    voucher_id: UUID
    fingerprint: bytes
    requested: int
    generated: int
