"""How much is measured: what says something in ten minutes, the largest there is, or as good as none."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# What any guide to Postgres says first: a share of the memory, and checkpoints that are far apart. A page that is
# changed for the first time after a checkpoint is written whole into the log.
ROOMY_POSTGRES = {"shared_buffers": "4GB", "max_wal_size": "8GB", "checkpoint_timeout": "15min"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """This class will say how many of each, and for how long."""

    # Each measure and its baseline are taken in turn so often, each for about so long.
    repetitions: int
    seconds: float
    # How many vouchers are many.
    vouchers: int
    # Expired vouchers for the sweep, and as many that are not.
    swept: int
    sweeps: int
    # How often and how long redeeming is watched without a sweep, and during it.
    sweeps_watched: int
    watched_seconds: float
    # At half load.
    load_seconds: float
    # Messages after which the memory is looked at, first and last.
    remembered_first: int
    remembered: int
    remembered_seconds: float
    # Redemptions that are stored already.
    stored_few: int
    stored: int
    # So many are redeemed before the first turn, so that it is not measured how fast pages come into memory.
    stored_warm_up: int
    # Settings of Postgres that differ from its own.
    postgres: Mapping[str, str] = field(default_factory=dict)


FULL = Plan(
    repetitions=5,
    seconds=2,
    vouchers=10_000,
    swept=1_000_000,
    sweeps=2,
    sweeps_watched=3,
    watched_seconds=7,
    load_seconds=6,
    remembered_first=10_000,
    remembered=30_000,
    remembered_seconds=30,
    stored_few=10_000,
    stored=200_000,
    stored_warm_up=1_000,
)
SCALE = Plan(
    repetitions=7,
    seconds=5,
    vouchers=10_000,
    swept=1_000_000,
    sweeps=3,
    sweeps_watched=3,
    watched_seconds=7,
    load_seconds=20,
    remembered_first=10_000,
    remembered=1_000_000,
    remembered_seconds=3_600,
    stored_few=10_000,
    stored=10_000_000,
    stored_warm_up=300_000,
    postgres=ROOMY_POSTGRES,
)
# It shows that everything works, and no figure of it means anything.
QUICK = Plan(
    repetitions=2,
    seconds=0.2,
    vouchers=1_000,
    swept=20_000,
    sweeps=1,
    sweeps_watched=2,
    watched_seconds=0.1,
    load_seconds=1,
    remembered_first=50,
    remembered=150,
    remembered_seconds=10,
    stored_few=1_000,
    stored=5_000,
    stored_warm_up=500,
    postgres={"max_wal_size": "2GB"},
)
