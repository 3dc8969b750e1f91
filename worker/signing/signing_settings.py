"""The settings of signed messages, and of the queue of messages whose sender names none."""

from pydantic import BaseModel, Field

from worker.signing.task_names import NAME_OR_PREFIX

DAY_SECONDS = 86_400
TASKS = rf"^$|^{NAME_OR_PREFIX}(,{NAME_OR_PREFIX})*$"


class SigningSettings(BaseModel):
    """The settings of who may send which task."""

    signers_file: str | None = Field(
        default=None,
        min_length=1,
        description="The file with the keys whose messages are answered. With it, a worker refuses every message that "
        "is not signed. It is read again when it changes. See [security.md](security.md#signed-messages).",
    )
    signing_key_file: str | None = Field(
        default=None,
        min_length=1,
        description="The file with Scrip's own key, which signs the messages of beat, and dead letters that are sent "
        "again. Required there if `SCRIP_SIGNERS_FILE` is set.",
    )
    signature_age_max_seconds: int = Field(
        default=DAY_SECONDS,
        ge=60,
        le=30 * DAY_SECONDS,
        description="A signed message is refused if it is decided later than this after it was signed, or after its "
        "`eta` if that is later. Raise it before the workers start again after a longer outage.",
    )
    unnamed_queue_refuses: str = Field(
        default="",
        pattern=TASKS,
        description="The tasks that are refused in the queue `celery`, which a message comes by if its sender names "
        "none: names or prefixes, such as `vouchers.*,codes.*,billing.reverse`.",
    )
