"""The settings of counting, and of `scrip metrics`."""

from typing import Self

from pydantic import BaseModel, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from worker.listen_address import read_listen_address


class MetricsSettings(BaseModel):
    """The settings of the metrics."""

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

    @field_validator("metrics_listen")
    @classmethod
    def _is_listenable(cls, address: str) -> str:
        try:
            read_listen_address(address)
        except ValueError:
            raise PydanticCustomError("address", "must be an IP address and a port, such as 127.0.0.1:9808") from None
        return address

    @model_validator(mode="after")
    def _shows_metrics_to_nobody_without_a_password(self) -> Self:
        if not read_listen_address(self.metrics_listen).host.is_loopback and not self.metrics_basic_auth:
            raise ValueError("SCRIP_METRICS_BASIC_AUTH is required if SCRIP_METRICS_LISTEN is not a loopback address")
        return self
