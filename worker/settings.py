"""The settings of a process, from environment variables: addresses of servers, limits and timeouts."""

from functools import cache
from typing import Literal, Self, TypeVar

from pydantic import AliasChoices, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from worker.addresses import problem_of_broker, problem_of_result_store, scheme_of
from worker.database_settings import DatabaseSettings, LogSettings
from worker.listen_address import read_listen_address
from worker.signing.signing_settings import SigningSettings

Read = TypeVar("Read", bound="LogSettings")


class Settings(DatabaseSettings, SigningSettings):
    """All settings, read from the environment. Nothing secret has a default."""

    broker_url: str = Field(
        validation_alias=AliasChoices("BROKER_URL", "REDIS_URL"),
        min_length=1,
        description="The broker: Redis 6.2 or newer, Valkey, or RabbitMQ. `REDIS_URL` is the default of both "
        "`BROKER_URL` and `RESULT_BACKEND_URL`.",
    )
    result_backend_url: str = Field(
        validation_alias=AliasChoices("RESULT_BACKEND_URL", "REDIS_URL"),
        min_length=1,
        description="The result store, from which callers read their answers: Redis, Valkey, or another result backend "
        "of Celery except `rpc://`.",
    )
    result_expires_seconds: int = Field(
        default=3_600,
        ge=1,
        le=604_800,
        description="The result store keeps an answer for this time. How long the database keeps answers is in "
        "[data.md](data.md).",
    )
    sentinel_master_name: str | None = Field(
        default=None,
        min_length=1,
        description="The name by which the Sentinels know the server. Required for a URL `sentinel://…`.",
    )
    sentinel_username: str | None = Field(default=None, description="The user name of the Sentinels themselves.")
    sentinel_password: str | None = Field(
        default=None,
        description="The password of the Sentinels themselves. The password in the URL is that of the server.",
    )
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
    visibility_timeout_seconds: int = Field(
        default=20,
        ge=1,
        le=86_400,
        description="The lease of a message on Redis and Valkey, which must be the same in every process. A worker "
        "renews the leases of its messages four times in this time, however long they take. If it dies, "
        "the others redeliver its messages when their leases are over.",
    )
    broker_transport: Literal["scrip", "stock"] = Field(
        default="scrip",
        description="How workers fetch messages from Redis or Valkey. `stock` is kombu's own transport, for "
        "comparison: it loses a message if the worker dies just after fetching it.",
    )
    allow_canvas: bool = Field(
        default=False,
        description="Whether a message may name tasks that follow it: Celery's callbacks, errbacks, chains and chords. "
        "If so, it may name tasks of the contract, and tasks with a queue of the sender's own. See "
        "[contract.md](contract.md#answers-and-errors).",
    )
    message_bytes_max: int = Field(
        default=16 * 2**20,
        ge=2**16,
        le=2**28,
        description="The most bytes of a message's body, as received and decompressed. A larger one is refused unread.",
    )
    beat_schedule_file: str = Field(
        default="celerybeat-schedule", description="The file in which beat stores when it last sent each periodic task."
    )
    metrics_folder: str | None = Field(
        default=None,
        min_length=1,
        description="The folder in which the workers of this machine count, and from which `scrip metrics` reads. It "
        "must be on a local disk or in memory. Without it, workers count nothing. See [metrics.md](metrics.md).",
    )
    metrics_listen: str = Field(
        default="127.0.0.1:9808",
        description="The address and port of `scrip metrics`, such as `0.0.0.0:9808` or `[::1]:9808`.",
    )
    metrics_basic_auth: str | None = Field(
        default=None,
        pattern=r"^[^:]+:.+$",
        description="`user:password`, which `scrip metrics` asks for. Required if it does not listen on the loopback "
        "interface.",
    )

    @field_validator("broker_url", "result_backend_url")
    @classmethod
    def _is_supported(cls, urls: str, info: ValidationInfo) -> str:
        problem_of = problem_of_broker if info.field_name == "broker_url" else problem_of_result_store
        if problem := problem_of(urls):
            raise PydanticCustomError("url", "{problem}", {"problem": problem})
        return urls

    @field_validator("metrics_listen")
    @classmethod
    def _is_listenable(cls, address: str) -> str:
        try:
            read_listen_address(address)
        except ValueError:
            raise PydanticCustomError("address", "must be an IP address and a port, such as 127.0.0.1:9808") from None
        return address

    @model_validator(mode="after")
    def _names_the_server_of_sentinels(self) -> Self:
        schemes = {scheme_of(self.broker_url), scheme_of(self.result_backend_url)}
        if "sentinel" in schemes and not self.sentinel_master_name:
            raise ValueError("SCRIP_SENTINEL_MASTER_NAME is required for a URL sentinel://…")
        return self

    @model_validator(mode="after")
    def _shows_metrics_to_nobody_without_a_password(self) -> Self:
        if not read_listen_address(self.metrics_listen).host.is_loopback and not self.metrics_basic_auth:
            raise ValueError("SCRIP_METRICS_BASIC_AUTH is required if SCRIP_METRICS_LISTEN is not a loopback address")
        return self


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
