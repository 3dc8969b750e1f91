"""Databases of a run under faults: PostgreSQL 15 from Debian's package, and a PgBouncer in front of Postgres."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from scrip.stack.postgres_server import Postgres
from tests.faults.servers import PostgresServer
from tests.other_servers.pgbouncer import PgBouncer
from tests.support.proxy import Proxy

POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")


class Postgres15(Postgres):
    """Debian's PostgreSQL 15, which has no built-in locale provider."""

    locale: ClassVar[Sequence[str]] = ("--encoding=UTF8", "--locale=C")

    @cached_property
    def programs(self) -> Path:
        """The folder of postgres and initdb."""
        return POSTGRES_15


class PooledPostgres(PostgresServer):
    """A Postgres server behind a PgBouncer in transaction mode. If it is killed, PgBouncer goes on."""

    def __init__(self, data_folder: Path) -> None:
        """Create the server, and start both."""
        self.pooler: PgBouncer | None = None
        super().__init__(data_folder)
        self.proxy.close()
        self.pooler = PgBouncer(data_folder / "pgbouncer", url=self.workers_url)
        self.pooler.start()
        self.proxy = Proxy(self.pooler.url)
        self.url = self.proxy.url

    @property
    def variables(self) -> dict[str, str]:
        """The variables of the database."""
        return {"DATABASE_URL": self.url, "SCRIP_DATABASE_POOLER": "transaction"}

    def start(self) -> None:
        """Start whichever of the two does not run."""
        super().start()
        if self.pooler and not self.pooler.is_running():
            self.pooler.start()

    def stop(self) -> None:
        """Stop PgBouncer, and then the server."""
        if self.pooler:
            self.pooler.stop()
        super().stop()
