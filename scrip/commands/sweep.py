"""`scrip sweep`: the sweep that beat starts every minute, at once."""

from scrip.commands.endings import ends_clearly
from scrip.commands.options import AsJson
from scrip.commands.output import show_object
from scrip.commands.use_cases import call


def sweep(*, as_json: AsJson = False) -> None:
    """Retire, complete and lapse everything that is due now, of all projects, and show the counts."""
    with ends_clearly(as_json=as_json):
        show_object(call("expiry.sweep", {}), as_json=as_json)
