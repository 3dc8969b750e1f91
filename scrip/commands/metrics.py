"""`scrip metrics`: the exporter for Prometheus."""

from functools import partial

from scrip.commands.endings import ended, ends_clearly
from scrip.commands.exit_codes import ExitCode


def metrics() -> None:
    """Serve the metrics of this host's workers, the database and the broker to Prometheus, on SCRIP_METRICS_LISTEN."""
    with ends_clearly("the metrics cannot be served"):
        from scrip.exporter.server import serve  # noqa: PLC0415
        from worker.settings import settings  # noqa: PLC0415

        try:
            serve(settings(), announce=partial(print, flush=True))
        except OSError as error:
            message = f"{settings().metrics_listen} cannot be listened on: {error.strerror}"
            raise ended(ExitCode.UNUSABLE, message) from None
