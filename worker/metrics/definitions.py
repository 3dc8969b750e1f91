"""The definition of each metric: `scrip metrics` serves these and no others, and docs/metrics.md lists them."""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """The types of Prometheus that Scrip uses."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """A metric: the name as Prometheus shows it, its labels, its meaning, and a query that uses it."""

    name: str
    kind: Kind
    meaning: str
    query: str
    labels: tuple[str, ...] = ()
    # The upper bounds of a histogram's buckets.
    buckets: tuple[float, ...] = ()

    @property
    def family(self) -> str:
        """The name without the suffix that Prometheus's clients add to a counter."""
        return self.name.removesuffix("_total")


class Reading(NamedTuple):
    """A value of a metric that is read when the exporter is scraped, with the values of its labels."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


def _counter(name: str, *labels: str, meaning: str, query: str) -> Metric:
    return Metric(name, Kind.COUNTER, meaning, query, labels)


def _gauge(name: str, *labels: str, meaning: str, query: str) -> Metric:
    return Metric(name, Kind.GAUGE, meaning, query, labels)


def _histogram(name: str, *labels: str, meaning: str, query: str, buckets: tuple[float, ...]) -> Metric:
    return Metric(name, Kind.HISTOGRAM, meaning, query, labels, buckets)


# Workers count these. An exporter adds up those of its host.

ANSWERS = _counter(
    "scrip_answers_total",
    "task",
    "outcome",
    "reason",
    meaning="Answers, and the messages that ended without one. A bulk request counts once for each item. `outcome` and "
    "`reason` are those of the contract; for an answer without an outcome, `read` or `done`; for a failure, `failed` "
    "and the error; otherwise `revoked`, `expired` or `terminated`.",
    query="sum by (task, outcome, reason) (rate(scrip_answers_total[5m]))",
)
BATCH_MESSAGES = _histogram(
    "scrip_batch_messages",
    "task",
    meaning="The messages of a batch. Tasks that decide one message at a time have batches of one.",
    query="sum by (task) (rate(scrip_batch_messages_sum[5m])) / sum by (task) (rate(scrip_batch_messages_count[5m]))",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000),
)
BATCH_SECONDS = _histogram(
    "scrip_batch_seconds",
    "task",
    meaning="The time from sending a batch to a child until its outcomes are back, in seconds.",
    query="histogram_quantile(0.99, sum by (task, le) (rate(scrip_batch_seconds_bucket[5m])))",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300),
)
CONNECTION_WAIT_SECONDS = _histogram(
    "scrip_connection_wait_seconds",
    meaning="The time that a child spent in a batch on getting a connection of its pool, in seconds: connecting, "
    "pinging and waiting.",
    query="histogram_quantile(0.99, sum by (le) (rate(scrip_connection_wait_seconds_bucket[5m])))",
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10),
)
TRANSACTION_RERUNS = _counter(
    "scrip_transaction_reruns_total",
    meaning="Transactions that ran again at once, because another had stored the same id or changed a row meanwhile.",
    query="sum(rate(scrip_transaction_reruns_total[5m]))",
)
RETRIES = _counter(
    "scrip_retries_total",
    "task",
    "cause",
    meaning="Messages that are tried again. `cause` is `lock_timeout`, `deadlock`, `serialization`, "
    "`statement_timeout`, `database_away`, `child_lost`, `undecided` (the message failed alone) or `other`.",
    query="sum by (cause) (rate(scrip_retries_total[5m]))",
)
NOT_A_TASK, UNKNOWN_TASK = "not_a_task", "unknown_task"
MESSAGES_DROPPED = _counter(
    "scrip_messages_dropped_total",
    "reason",
    meaning="Messages that were dropped: `not_a_task` or `unknown_task`.",
    query="sum by (reason) (increase(scrip_messages_dropped_total[1h]))",
)
NOT_OBEYED, MALFORMED, TOO_MANY = "not_obeyed", "malformed", "too_many"
COMMANDS_REFUSED = _counter(
    "scrip_commands_refused_total",
    "reason",
    meaning="Commands of Celery's remote control that were refused: `not_obeyed`, `malformed` or `too_many`.",
    query="sum by (reason) (increase(scrip_commands_refused_total[1h]))",
)
MESSAGES_REFUSED = _counter(
    "scrip_messages_refused_total",
    "reason",
    meaning="Messages that were refused because no key that may send them has signed them. Absent if "
    "`SCRIP_SIGNERS_FILE` is not set. [security.md](security.md#refusals) has the reasons.",
    query="sum by (reason) (increase(scrip_messages_refused_total[1h]))",
)
OUTAGES = _counter(
    "scrip_database_outages_total",
    meaning="Outages of the database that workers have found. Each worker counts each outage.",
    query="sum(increase(scrip_database_outages_total[1h]))",
)
SWEPT_ROWS = _counter(
    "scrip_swept_rows_total",
    "kind",
    meaning="Rows that sweeps have changed, by the six counts of `expiry.sweep`: `holdsLapsed` are the lapsed holds.",
    query='sum(rate(scrip_swept_rows_total{kind="holdsLapsed"}[5m]))',
)
COUNTED = (
    ANSWERS,
    BATCH_MESSAGES,
    BATCH_SECONDS,
    CONNECTION_WAIT_SECONDS,
    TRANSACTION_RERUNS,
    RETRIES,
    MESSAGES_DROPPED,
    COMMANDS_REFUSED,
    MESSAGES_REFUSED,
    OUTAGES,
    SWEPT_ROWS,
)

# An exporter reads these when it is scraped. They are the same at each exporter.

COUNTERS_UP = _gauge(
    "scrip_counters_up",
    meaning="1 if the counters of this host's workers could be read, 0 if not. Absent if `SCRIP_METRICS_FOLDER` is not "
    "set.",
    query="scrip_counters_up == 0",
)
DATABASE_UP = _gauge(
    "scrip_database_up",
    meaning="1 if the database answered in time, 0 if not. If it is 0, all metrics from the database are absent.",
    query="max(scrip_database_up) == 0",
)
BROKER_UP = _gauge(
    "scrip_broker_up",
    meaning="1 if the broker answered in time, 0 if not. If it is 0, all metrics from the broker are absent.",
    query="max(scrip_broker_up) == 0",
)
QUEUE_MESSAGES = _gauge(
    "scrip_queue_messages",
    "queue",
    "state",
    meaning="Messages of a queue. `state` is `ready` (no worker has fetched it), `taken` (a worker has, and has not "
    "acknowledged it) or `waiting` (until it is due or tried again).",
    query='sum by (queue) (max by (queue, state) (scrip_queue_messages{state!="waiting"}))',
)
QUEUE_OLDEST_AGE = _gauge(
    "scrip_queue_oldest_age_seconds",
    "queue",
    meaning="The age of the oldest message of a queue, ready or taken, since this exporter first saw it or one behind "
    "it. Redis and Valkey only.",
    query="max by (queue) (scrip_queue_oldest_age_seconds)",
)
UNREADABLE_MESSAGES = _gauge(
    "scrip_unreadable_messages",
    meaning="Texts in the list `unreadable`, which are no messages. Redis and Valkey only.",
    query="max(scrip_unreadable_messages)",
)
DEAD_LETTERS = _gauge(
    "scrip_dead_letters",
    meaning="Dead letters, counted up to 100,000.",
    query="max(scrip_dead_letters)",
)
UNKNOWN_CODES = _gauge(
    "scrip_unknown_codes",
    "project",
    meaning="Unknown codes that customers of a project have tried within `SCRIP_UNKNOWN_CODES_SECONDS` after the first "
    "one of each. A customer who has to wait is not counted on. The 20 projects with the most.",
    query="topk(20, max by (project) (scrip_unknown_codes))",
)
HOLDS_OPEN = _gauge(
    "scrip_holds_open",
    meaning="Held places: holds that are open, counted up to 100,000. Those that lapsed since the last sweep are among "
    "them.",
    query="max(scrip_holds_open)",
)
HOLD_OVERDUE_AGE = _gauge(
    "scrip_hold_overdue_age_seconds",
    meaning="The time since the end of the oldest hold that has lapsed and was not swept yet; 0 if there is none.",
    query="max(scrip_hold_overdue_age_seconds)",
)
SWEEP_AGE = _gauge(
    "scrip_sweep_age_seconds",
    meaning="The time since the last sweep ended. Absent if none has ended in the last 30 days.",
    query="max(scrip_sweep_age_seconds)",
)
BEAT_TICK_AGE = _gauge(
    "scrip_beat_tick_age_seconds",
    meaning="The time since beat last sent a task. Absent if it never has.",
    query="max(scrip_beat_tick_age_seconds)",
)
AUDIT_AGE = _gauge(
    "scrip_audit_age_seconds",
    "kind",
    meaning="The time since the last audit ended. `kind` is `changes` or `everything`. If none of the kind has ended, "
    "the time since the first audit began, of either kind. Absent if no audit has begun in the last 30 days.",
    query="max by (kind) (scrip_audit_age_seconds)",
)
AUDIT_VIOLATIONS = _gauge(
    "scrip_audit_violations",
    "kind",
    meaning="The most violations that one audit has found since the last audit of everything began, by `kind`: an "
    "audit of `changes` does not look again at a subject that stays as it is.",
    query="max by (kind) (scrip_audit_violations) > 0",
)
SESSIONS = _gauge(
    "scrip_database_sessions",
    "state",
    meaning="Sessions of Scrip's user on its database, by PostgreSQL's `state`; a session that waits for a lock has "
    "the state `waiting for a lock`.",
    query="sum(max by (state) (scrip_database_sessions))",
)
LOCK_WAIT_AGE = _gauge(
    "scrip_lock_wait_age_seconds",
    meaning="The age of the oldest statement that waits for a lock; 0 if none waits.",
    query="max(scrip_lock_wait_age_seconds)",
)
DEADLOCKS = _counter(
    "scrip_database_deadlocks_total",
    meaning="Deadlocks in the database, of all its users, as PostgreSQL counts them.",
    query="max(increase(scrip_database_deadlocks_total[1h]))",
)
READ_FROM_DATABASE = (
    DEAD_LETTERS,
    UNKNOWN_CODES,
    HOLDS_OPEN,
    HOLD_OVERDUE_AGE,
    SWEEP_AGE,
    BEAT_TICK_AGE,
    AUDIT_AGE,
    AUDIT_VIOLATIONS,
    SESSIONS,
    LOCK_WAIT_AGE,
    DEADLOCKS,
)
READ_FROM_BROKER = (QUEUE_MESSAGES, QUEUE_OLDEST_AGE, UNREADABLE_MESSAGES)

METRICS = (*COUNTED, COUNTERS_UP, DATABASE_UP, *READ_FROM_DATABASE, BROKER_UP, *READ_FROM_BROKER)
