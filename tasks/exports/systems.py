"""The systems whose exports can be brought over, by name."""

from enum import StrEnum

from tasks.exports.gigs import GIGS
from tasks.exports.lago import LAGO
from tasks.exports.polar import POLAR
from tasks.exports.stripe import STRIPE
from tasks.exports.system import System


class SystemName(StrEnum):
    """The name of a system on the command line."""

    STRIPE = "stripe"
    POLAR = "polar"
    GIGS = "gigs"
    LAGO = "lago"


SYSTEMS: dict[SystemName, System] = {
    SystemName.STRIPE: STRIPE,
    SystemName.POLAR: POLAR,
    SystemName.GIGS: GIGS,
    SystemName.LAGO: LAGO,
}
