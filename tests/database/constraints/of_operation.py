"""What the tables of messages, sweeps and audits refuse."""

from tests.database.constraints.table import NEW, NULL, Change, Table

RUNNING: Change = {"customer": "'copy'", "ended_at": NULL, "key": "'\\x00'"}
ATTEMPTS = Table(
    name="attempts",
    row="true",
    fresh={"task_id": "'copy'"},
    required=("together", "alone", "last_at"),
    refused={
        "pk_attempts": [{"task_id": "task_id"}],
        "ck_attempts_counted": [{"together": "-1"}, {"alone": "-1"}],
    },
)
DEAD_LETTERS = Table(
    name="dead_letters",
    row="true",
    fresh={"digest": "'\\x00'", "id": NEW},
    required=(
        *("task", "reason", "attempts", "died_at", "queue", "headers", "body", "content_type", "content_encoding"),
        "id",
    ),
    refused={
        "pk_dead_letters": [{"digest": "digest"}],
        "ck_dead_letters_attempted": [{"attempts": "0"}],
    },
)
AUDITS = Table(
    name="audits",
    row="kind = 'everything' AND ended_at IS NOT NULL",
    fresh={"id": NEW},
    required=("kind", "started_at"),
    refused={
        "pk_audits": [{"id": "id"}],
        "ck_audits_changed_before_start": [
            {"kind": "'changes'", "changed_since": "started_at + interval '1 microsecond'"}
        ],
        "ck_audits_changed_since_if_changes": [{"kind": "'changes'"}, {"changed_since": "started_at"}],
        "ck_audits_counted": [{"checks": "-1"}, {"violations": "-1"}],
        "ck_audits_ended_after_start": [{"ended_at": "started_at - interval '1 microsecond'"}],
        "ck_audits_ended_has_result": [{"ended_at": NULL}, {"findings": NULL}],
        "ck_audits_kind_known": [{"kind": "'half'"}],
        "ck_audits_of_every_project": [{"project": "'gigs'"}],
    },
)
COUNTS = (
    *("expired", "max_redemptions_reached", "completed", "codes_expired", "codes_max_redemptions_reached"),
    "holds_lapsed",
)
SWEEPS = Table(
    name="sweeps",
    row="ended_at IS NOT NULL",
    fresh={"id": NEW},
    required=("started_at",),
    refused={
        "pk_sweeps": [{"id": "id"}],
        "ck_sweeps_counted": [{each: "-1"} for each in COUNTS],
        "ck_sweeps_ended_after_start": [{"ended_at": "started_at - interval '1 microsecond'"}],
        "ck_sweeps_ended_has_counts": [{"ended_at": NULL}, *({each: NULL} for each in COUNTS)],
        "ck_sweeps_of_every_project": [{"project": "'gigs'"}],
    },
)
BEAT_TICKS = Table(
    name="beat_ticks",
    row="true",
    # There is only one row, so each copy has its key.
    fresh={},
    required=("ticked_at",),
    refused={"pk_beat_ticks": [{}], "ck_beat_ticks_of_every_project": [{"project": "'gigs'"}]},
    besides={"ticked_at": ("pk_beat_ticks",)},
)
CUSTOMER_ERASURES = Table(
    name="customer_erasures",
    row="ended_at IS NOT NULL",
    fresh={"id": NEW},
    required=("pseudonym", "started_at", "request_keys"),
    refused={
        "pk_customer_erasures": [{"id": "id"}],
        "uq_customer_erasures_running": [{**RUNNING, "customer": "'cus_running'"}],
        "ck_customer_erasures_customer_until_ended": [{"customer": "'cus_1'"}, {"ended_at": NULL}],
        "ck_customer_erasures_key_until_ended": [{**RUNNING, "key": NULL}],
        "ck_customer_erasures_ended_after_start": [{"ended_at": "started_at - interval '1 microsecond'"}],
        "ck_customer_erasures_answered_when_ended": [{"request_keys": "'{request:erase-1}'"}],
    },
)
TABLES = (ATTEMPTS, DEAD_LETTERS, AUDITS, SWEEPS, BEAT_TICKS, CUSTOMER_ERASURES)
