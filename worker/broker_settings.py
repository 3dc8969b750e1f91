"""The settings of the broker and of the result store."""

from typing import Literal, Self

from pydantic import AliasChoices, BaseModel, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from worker.addresses import problem_of_broker, problem_of_result_store, scheme_of


class BrokerSettings(BaseModel):
    """The settings of the servers that carry messages and answers."""

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
    message_bytes_max: int = Field(
        default=16 * 2**20,
        ge=2**16,
        le=2**28,
        description="The most bytes of a message's body, as received and decompressed. A larger one is refused unread.",
    )

    @field_validator("broker_url", "result_backend_url")
    @classmethod
    def _is_supported(cls, urls: str, info: ValidationInfo) -> str:
        problem_of = problem_of_broker if info.field_name == "broker_url" else problem_of_result_store
        if problem := problem_of(urls):
            raise PydanticCustomError("url", "{problem}", {"problem": problem})
        return urls

    @model_validator(mode="after")
    def _names_the_server_of_sentinels(self) -> Self:
        schemes = {scheme_of(self.broker_url), scheme_of(self.result_backend_url)}
        if "sentinel" in schemes and not self.sentinel_master_name:
            raise ValueError("SCRIP_SENTINEL_MASTER_NAME is required for a URL sentinel://…")
        return self
