"""The settings of access to the database, and of the log, from environment variables."""

from typing import Literal, Self

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.exc import ArgumentError

from worker.database_url import read_database_url

ENCODED = "with special characters of a password percent-encoded"


class LogSettings(BaseSettings):
    """The settings of the log, which every process has."""

    model_config = SettingsConfigDict(env_prefix="SCRIP_", hide_input_in_errors=True, frozen=True)

    log_format: Literal["text", "json"] = Field(
        default="text",
        description="`json` writes each line of the log as a JSON object, in every process. See [logs.md](logs.md).",
    )


class DatabaseSettings(LogSettings):
    """The settings of database access. The audit and the migrations need no others."""

    database_url: str = Field(
        validation_alias="DATABASE_URL",
        min_length=1,
        description="PostgreSQL 15 or newer, as `postgresql://…`, with the role `scrip_worker`. See "
        "[postgres.md](postgres.md) for roles, several hosts and PgBouncer.",
    )
    database_owner_url: str | None = Field(
        default=None,
        validation_alias="DATABASE_OWNER_URL",
        min_length=1,
        description="The same database with the role `scrip_owner`, which `alembic` uses instead of `DATABASE_URL`. No "
        "other process needs it or should have it.",
    )
    database_reader_url: str | None = Field(
        default=None,
        validation_alias="DATABASE_READER_URL",
        min_length=1,
        description="The same database with the role `scrip_reader`, which `scrip metrics`, `scrip audit` and the "
        "commands that only read use instead of `DATABASE_URL`.",
    )
    database_pooler: Literal["none", "transaction"] = Field(
        default="none",
        description="Set `transaction` if `DATABASE_URL` leads to PgBouncer, or to another pooler that assigns a "
        "server connection to each transaction. [postgres.md](postgres.md#pgbouncer) has the consequences.",
    )
    statement_timeout_seconds: int = Field(
        default=22,
        ge=1,
        le=3_600,
        description="PostgreSQL cancels a statement after this time, and ends a transaction that is idle for as long; "
        "the task is then retried. The largest batch takes well under a second, so a slower statement "
        "indicates a fault. If there is no answer 3 s later, the process cuts the connection itself.",
    )
    lock_timeout_seconds: int = Field(
        default=20,
        ge=1,
        le=3_600,
        description="PostgreSQL cancels a statement that has waited this long for a lock, and the task is retried. "
        "Batches that lock the same voucher wait for each other for less.",
    )

    @field_validator("database_url", "database_owner_url", "database_reader_url")
    @classmethod
    def _is_postgres(cls, url: str | None) -> str | None:
        try:
            if url is not None:
                read_database_url(url)
        except (ArgumentError, ValueError):
            # For example, the password contains a slash. The invalid part may be the password, so no message quotes it.
            raise PydanticCustomError("url", f"must be postgresql://…, {ENCODED}") from None
        return url

    def as_owner(self) -> Self:
        """Return the settings of the role that owns the tables. Without its address, they are the same."""
        return self.model_copy(update={"database_url": self.database_owner_url or self.database_url})

    def as_reader(self) -> Self:
        """Return the settings of the role that only reads. Without its address, they are the same."""
        return self.model_copy(update={"database_url": self.database_reader_url or self.database_url})
