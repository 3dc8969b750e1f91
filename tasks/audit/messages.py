"""The request of a scheduled audit."""

from typing import Annotated

from pydantic import Field

from models.monitoring.recorded_audit import AuditKind
from tasks.wire.message import Message


class Audit(Message):
    """`audit.run`: `kind` is `changes`, what changed since the last audit, or `everything`."""

    kind: Annotated[AuditKind, Field(strict=False)]
