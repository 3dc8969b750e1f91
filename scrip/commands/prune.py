"""`scrip prune`: the pruning that beat starts every night, at once."""

from scrip.commands.endings import ends_clearly
from scrip.commands.options import AsJson
from scrip.commands.output import show_object
from scrip.commands.use_cases import call


def prune(*, as_json: AsJson = False) -> None:
    """Delete what was kept as long as the settings say, of all projects, and show the counts."""
    with ends_clearly(as_json=as_json):
        show_object(call("expiry.prune", {}), as_json=as_json)
