"""The settings of a process, from environment variables: addresses of servers, limits and timeouts."""

from functools import cache
from typing import TypeVar

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from worker.broker_settings import BrokerSettings
from worker.database_settings import DatabaseSettings, LogSettings
from worker.metrics_settings import MetricsSettings
from worker.signing.signing_settings import SigningSettings

Read = TypeVar("Read", bound="LogSettings")


class Settings(SigningSettings, MetricsSettings, BrokerSettings, DatabaseSettings):
    """All settings, read from the environment. Nothing secret has a default."""

    requested_at_grace_seconds: int = Field(
        default=900,
        ge=0,
        le=86_400,
        description="If a request's `requestedAt` lies at most this long before the decision, the voucher must have "
        "been open at that instant. So a delay of up to this time in a queue costs the customer nothing. "
        "Otherwise the voucher must be open when the request is decided.",
    )
    unknown_codes_max: int = Field(
        default=20,
        ge=0,
        le=1_000_000,
        description="After so many unknown codes of a customer, further codes of the customer are refused as "
        "`too_many_attempts`, until the time of `SCRIP_UNKNOWN_CODES_SECONDS` is over. With 0, there is no limit.",
    )
    unknown_codes_seconds: int = Field(
        default=600,
        ge=1,
        le=86_400,
        description="Unknown codes of a customer are counted for this time after the first one, then anew.",
    )
    worker_concurrency: int = Field(
        default=2,
        ge=1,
        le=256,
        description="The number of child processes of each worker. Each has its own database connection.",
    )
    batch_size_max: int = Field(
        default=500,
        ge=1,
        le=1_000,
        description="The most messages in one batch, which is one transaction. Larger batches are hardly faster and "
        "hold their locks longer.",
    )
    batch_wait_ms: int = Field(
        default=5,
        ge=0,
        le=1_000,
        description="How long the first message of a batch waits for others, in milliseconds. It does not wait if the "
        "worker has just found its queues empty (Redis and Valkey only). If a batch of the same task is "
        "running, it waits up to 20 ms for that one to end. If every child is busy, the batch grows until a "
        "child is free.",
    )
    batch_time_limit_seconds: int = Field(
        default=240,
        ge=1,
        le=3_600,
        description="A child that takes longer than this over a batch is killed, and the batch runs again in smaller "
        "groups.",
    )
    sweep_batch_size: int = Field(
        default=5_000,
        ge=1,
        le=100_000,
        description="The most rows that one transaction of the sweep locks and writes.",
    )
    keep_refused_days: int | None = Field(
        default=None,
        ge=7,
        le=36_500,
        description="How many days refused redemptions and refused requests for a hold are kept. Without it, for ever. "
        "A repetition after that is decided anew. See [data.md](data.md).",
    )
    keep_dead_letters_days: int | None = Field(
        default=None,
        ge=7,
        le=36_500,
        description="How many days dead letters are kept. Without it, until they are retried or discarded.",
    )
    keep_answers_days: int | None = Field(
        default=None,
        ge=7,
        le=36_500,
        description="How many days the answers of writes that have no row of their own are kept, such as those of "
        "`vouchers.update`. Without it, for ever. A repetition after that is done again. See [data.md](data.md).",
    )
    polar_organization: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="The project of requests of `polar.discounts.*` that leave out `organization_id`, as Polar takes "
        "the organization from the access token. Without it, such a request is invalid.",
    )
    allow_canvas: bool = Field(
        default=False,
        description="Whether a message may name tasks that follow it: Celery's callbacks, errbacks, chains and chords. "
        "If so, it may name tasks of the contract, and tasks with a queue of the sender's own. See "
        "[contract.md](contract.md#answers-and-errors).",
    )
    beat_schedule_file: str = Field(
        default="celerybeat-schedule", description="The file in which beat stores when it last sent each periodic task."
    )


@cache
def log_settings() -> LogSettings:
    """Read the settings of the log once, or end the process with one line that names the problem."""
    return _read(LogSettings)


@cache
def database_settings() -> DatabaseSettings:
    """Read the settings of the database once, or end the process with one line that names each problem."""
    return _read(DatabaseSettings)


@cache
def settings() -> Settings:
    """Read all settings once, or end the process with one line that names each problem."""
    return _read(Settings)


def forget_settings() -> None:
    """Read the environment again at the next use."""
    log_settings.cache_clear()
    database_settings.cache_clear()
    settings.cache_clear()


def _read(kind: type[Read]) -> Read:
    try:
        return kind()
    except ValidationError as error:
        problems = "; ".join(_problem(each) for each in error.errors())
        raise SystemExit(f"scrip: the environment is not as it must be: {problems}") from None


def _problem(error: ErrorDetails) -> str:
    # An error without a location concerns several settings, and its message names them.
    return f"{_variable(error['loc'])}: {error['msg']}" if error["loc"] else str(error["ctx"]["error"])


def _variable(location: tuple[int | str, ...]) -> str:
    # Either URL can be set alone. REDIS_URL is named too, because it would set both.
    name = str(location[0])
    if name in {"BROKER_URL", "RESULT_BACKEND_URL"}:
        return f"{name} or REDIS_URL"
    return name if name.isupper() else f"SCRIP_{name.upper()}"
