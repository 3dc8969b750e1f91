"""What the environment says: where the servers are, and the numbers an operator may tune."""

from collections.abc import Callable
from functools import cache
from typing import Literal, Self

from celery.app.backends import BACKEND_ALIASES
from celery.utils.imports import load_extension_class_names
from kombu.transport import TRANSPORT_ALIASES
from kombu.utils.url import url_to_parts
from pydantic import AliasChoices, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

# The schemes that libpq knows, too.
DATABASES = {"postgresql", "postgres"}
# Their databases have numbers.
NUMBERED = ("redis://", "rediss://")
ENCODED = "with special characters of a password percent-encoded"


class Settings(BaseSettings):
    """This class will hold every setting, read from the environment. Nothing secret has a default."""

    model_config = SettingsConfigDict(env_prefix="SCRIP_", hide_input_in_errors=True, frozen=True)

    database_url: str = Field(validation_alias="DATABASE_URL", min_length=1)
    broker_url: str = Field(validation_alias=AliasChoices("BROKER_URL", "REDIS_URL"), min_length=1)
    result_backend_url: str = Field(validation_alias=AliasChoices("RESULT_BACKEND_URL", "REDIS_URL"), min_length=1)

    # How far back a caller's requestedAt may lie and still decide whether the voucher was open.
    requested_at_grace_seconds: int = Field(default=900, ge=0, le=86_400)
    # Child processes for each worker; a redemption waits on Postgres, not on the processor.
    worker_concurrency: int = Field(default=2, ge=1, le=256)
    # Messages that one transaction decides: from here on a larger batch is hardly any faster, and locks for longer.
    batch_size_max: int = Field(default=500, ge=1, le=1_000)
    # How long the first message of a batch waits for others while a child is idle. Where the queue is known to be
    # empty it does not wait, and where every child is busy it waits for one of them.
    batch_wait_ms: int = Field(default=5, ge=0, le=1_000)
    # A batch that takes longer hangs: nothing in it may wait for so long. Its child is killed, the batch runs again.
    batch_time_limit_seconds: int = Field(default=240, ge=1, le=3_600)
    # Rows that one sweep transaction locks and writes.
    sweep_batch_size: int = Field(default=5_000, ge=1, le=100_000)
    # A statement that runs longer has met a fault, not a load: the largest batch takes well under a second.
    statement_timeout_seconds: int = Field(default=30, ge=1, le=3_600)
    # A queue of batches on one voucher waits its turn; only a lock that nobody will release runs into this.
    lock_timeout_seconds: int = Field(default=20, ge=1, le=3_600)
    # After this long without an acknowledgement the broker delivers a message again. The same in every process.
    # Longer than a batch may wait for a lock: what waits must not look as if its worker had died over it.
    visibility_timeout_seconds: int = Field(default=300, ge=1, le=86_400)
    # How workers read from a Redis: "stock" is kombu's own way, which loses what a worker had just popped when it died.
    # It is there to be compared with.
    broker_transport: Literal["scrip", "stock"] = "scrip"
    # Where beat keeps the times of its last runs.
    beat_schedule_file: str = "celerybeat-schedule"

    @field_validator("database_url")
    @classmethod
    def _leads_to_postgres(cls, url: str) -> str:
        try:
            parts = make_url(url)
            # An at sign in a password makes half of it a part of the host, which errors show.
            readable = parts.get_backend_name().lower() in DATABASES and "@" not in (parts.host or "")
        except (ArgumentError, ValueError):
            # A slash in a password, say: what cannot be read may be part of it.
            readable = False
        if not readable:
            raise PydanticCustomError("url", f"must be postgresql://…, {ENCODED}")
        return url

    @field_validator("broker_url", "result_backend_url")
    @classmethod
    def _can_be_read(cls, urls: str, info: ValidationInfo) -> str:
        is_known = _is_transport if info.field_name == "broker_url" else _is_result_backend
        if not all(_is_readable(each, is_known=is_known) for each in urls.split(";")):
            raise PydanticCustomError(
                "url", f"must be redis://HOST:PORT/NUMBER or another URL that Celery knows, {ENCODED}"
            )
        return urls

    @model_validator(mode="after")
    def _delivers_again_after_locks(self) -> Self:
        if self.visibility_timeout_seconds <= self.lock_timeout_seconds:
            raise ValueError("SCRIP_VISIBILITY_TIMEOUT_SECONDS must be longer than SCRIP_LOCK_TIMEOUT_SECONDS")
        return self


def _is_transport(name: str) -> bool:
    return name in TRANSPORT_ALIASES


def _is_result_backend(name: str) -> bool:
    # One with a dot is the path of a class, which Celery imports.
    if "." in name or name in BACKEND_ALIASES:
        return True
    return any(name == extension for extension, _ in load_extension_class_names("celery.result_backends"))


def _is_readable(url: str, *, is_known: Callable[[str], bool]) -> bool:
    scheme, separator, _ = url.partition("://")
    if not separator or not is_known(scheme.partition("+")[0]):
        return False
    # Other transports have addresses of forms of their own.
    if not url.startswith(("redis", "sentinel", "amqp")):
        return True
    try:
        parts = url_to_parts(url)
    except ValueError:
        return False
    path = (parts.path or "").strip("/")
    if url.startswith(NUMBERED):
        return not path or path.isdecimal()
    # A slash in a password makes the rest of it, and the host, a path.
    return "@" not in path


@cache
def settings() -> Settings:
    """This function will read the environment once, or end the process with one clear line on what is missing."""
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(_problem(each) for each in error.errors())
        raise SystemExit(f"scrip: the environment is not as it must be: {problems}") from None


def _problem(error: ErrorDetails) -> str:
    # What is wrong with several together names them itself.
    return f"{_variable(error['loc'])}: {error['msg']}" if error["loc"] else str(error["ctx"]["error"])


def _variable(location: tuple[int | str, ...]) -> str:
    # Either address may be given by itself; where both are missing, the one that serves for both is.
    name = str(location[0])
    if name in {"BROKER_URL", "RESULT_BACKEND_URL"}:
        return f"{name} or REDIS_URL"
    return name if name.isupper() else f"SCRIP_{name.upper()}"
