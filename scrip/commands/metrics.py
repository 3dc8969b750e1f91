"""`scrip metrics`: the exporter for Prometheus."""

import logging
import sys
from functools import partial

from scrip.commands.endings import ended, only_reads
from scrip.commands.exit_codes import ExitCode


def metrics() -> None:
    """Serve the metrics of this host's workers, the database and the broker to Prometheus, on SCRIP_METRICS_LISTEN."""
    with only_reads("the metrics cannot be served"):
        from celery.utils.log import LoggingProxy  # noqa: PLC0415

        from scrip.exporter.server import serve  # noqa: PLC0415
        from worker.logs.beginning import log  # noqa: PLC0415
        from worker.settings import settings  # noqa: PLC0415

        logger, announce = logging.getLogger(__name__), partial(print, flush=True)
        is_json = log.begin("metrics", values=settings())
        if is_json:
            # The server writes the errors of its threads there.
            sys.stderr = LoggingProxy(logger, logging.ERROR)
        try:
            serve(settings(), announce=logger.info if is_json else announce)
        except OSError as error:
            message = f"{settings().metrics_listen} cannot be listened on: {error.strerror}"
            raise ended(ExitCode.UNUSABLE, message) from None
