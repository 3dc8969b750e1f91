"""The sizes of a run: meaningful figures in ten minutes, the largest tables, or a quick check that everything works."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# The first advice of any guide to Postgres: more shared memory, and checkpoints that are far apart. The first change
# of a page after a checkpoint writes the whole page into the log.
ROOMY_POSTGRES = {"shared_buffers": "4GB", "max_wal_size": "8GB", "checkpoint_timeout": "15min"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The number, the size and the duration of each measure."""

    # How often each measure and its baseline are taken in turn, and for how many seconds each time.
    repetitions: int
    seconds: float
    # Vouchers of the measures with many vouchers.
    vouchers: int
    # Expired vouchers for the sweep. As many others have not expired.
    expired_vouchers: int
    sweep_repetitions: int
    # How often the latency of redeeming is taken without and with a sweep, and for how many seconds each time.
    sweep_latency_repetitions: int
    sweep_latency_seconds: float
    # Seconds at half load.
    half_load_seconds: float
    # Messages before the first and the last look at the memory, and the most seconds for them.
    memory_messages_first: int
    memory_messages: int
    memory_seconds_max: float
    # Redemptions stored before the measure, in the two databases that are compared.
    stored_few: int
    stored: int
    # Redemptions before the first sample, so that the time to read pages into memory is left out.
    stored_warm_up: int
    # Settings of Postgres that differ from the defaults.
    postgres: Mapping[str, str] = field(default_factory=dict)


FULL = Plan(
    repetitions=5,
    seconds=2,
    vouchers=10_000,
    expired_vouchers=1_000_000,
    sweep_repetitions=2,
    sweep_latency_repetitions=3,
    sweep_latency_seconds=7,
    half_load_seconds=6,
    memory_messages_first=10_000,
    memory_messages=30_000,
    memory_seconds_max=30,
    stored_few=10_000,
    stored=200_000,
    stored_warm_up=1_000,
)
SCALE = Plan(
    repetitions=7,
    seconds=5,
    vouchers=10_000,
    expired_vouchers=1_000_000,
    sweep_repetitions=3,
    sweep_latency_repetitions=3,
    sweep_latency_seconds=7,
    half_load_seconds=20,
    memory_messages_first=10_000,
    memory_messages=1_000_000,
    memory_seconds_max=3_600,
    stored_few=10_000,
    stored=10_000_000,
    stored_warm_up=300_000,
    postgres=ROOMY_POSTGRES,
)
# A quick check that everything works. The figures mean nothing.
QUICK = Plan(
    repetitions=2,
    seconds=0.2,
    vouchers=1_000,
    expired_vouchers=20_000,
    sweep_repetitions=1,
    sweep_latency_repetitions=2,
    sweep_latency_seconds=0.1,
    half_load_seconds=1,
    memory_messages_first=50,
    memory_messages=150,
    memory_seconds_max=10,
    stored_few=1_000,
    stored=5_000,
    stored_warm_up=500,
    postgres={"max_wal_size": "2GB"},
)
