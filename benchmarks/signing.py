"""What signed messages cost single redemptions: `make bench-signing`.

A worker redeems the same number of messages in turns: without a file of signers, with messages signed by HMAC-SHA-256,
and with messages signed by Ed25519. Each turn starts the worker anew, on the same database. The last column is the
processor time of the signature alone, which is steadier: what the main process notes, its way to a child, and the
child's verdict.
"""

import os
import pickle
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes
from statistics import median
from time import process_time, time
from typing import Annotated, Any, NamedTuple

import typer
from celery.signals import before_task_publish
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from kombu.serialization import dumps

from benchmarks import rows
from benchmarks.batches import BATCH
from benchmarks.broker import Broker
from benchmarks.machine import calibrated
from benchmarks.processor_time import processor_seconds
from benchmarks.servers import BenchmarkServers, benchmark_servers
from worker.intake.proof import failure_by
from worker.signing.keys import Algorithm
from worker.signing.signers import SignersFile
from worker.signing.signing_key import SigningKey
from worker.signing.statement import HEADER, claim_of

TASK, QUEUE = "redemptions.redeem", "redemptions"
VOUCHERS = 1_000
VARIABLE = "SCRIP_SIGNERS_FILE"
UNSIGNED = "unsigned"
WORKER = ("worker", "its children")
MICROSECONDS = 1_000_000
ALONE_TURNS = 30


class Sample(NamedTuple):
    """A turn: messages a second, and the processor time of the worker and its children for a message."""

    rate: float
    microseconds: float


def signing_key(algorithm: Algorithm) -> SigningKey:
    """Draw a key."""
    secret = b64encode(token_bytes(32)).decode()
    return SigningKey.model_validate({"id": "bench-1", "algorithm": algorithm.value, "secret": secret})


def write_signers(path: Path, key: SigningKey) -> None:
    """Write a file of signers with the key."""
    if key.algorithm is Algorithm.ED25519:
        public = Ed25519PrivateKey.from_private_bytes(key.secret).public_key().public_bytes_raw()
        part = f'"publicKey": "{b64encode(public).decode()}"'
    else:
        part = f'"secret": "{b64encode(key.secret).decode()}"'
    entry = f'"id": "{key.id}", "algorithm": "{key.algorithm}", {part}, "projects": ["*"], "tasks": ["*"], "ends": null'
    path.touch(mode=0o600)
    path.write_text(f'{{"keys": [{{{entry}}}]}}', encoding="utf-8")


@contextmanager
def signed_by(key: SigningKey | None, *, path: Path, environment: dict[str, str]) -> Iterator[None]:
    """Sign what this process sends, and have workers that start now ask for it, unless there is no key."""
    if key is None:
        yield
        return

    def sign(*, body: Any, headers: dict[str, Any], routing_key: str, **_: object) -> None:
        payload = dumps(body, serializer="json")[2]
        claim = claim_of(headers=headers, fields=headers, queue=routing_key, body=payload, encoding="utf-8")
        headers[HEADER] = key.header(claim, issued=int(time()))

    write_signers(path, key)
    before_task_publish.connect(sign, weak=False)
    environment[VARIABLE] = str(path)
    try:
        yield
    finally:
        before_task_publish.disconnect(sign)
        del environment[VARIABLE]


def alone(key: SigningKey, folder: Path) -> float:
    """Return the microseconds that the signature of a message takes by itself, in the quickest of several turns."""
    body = dumps([[], {"request": rows.redemptions([""], how_many=1)[0]}, {}], serializer="json")[2].encode()
    headers: dict[str, Any] = {"task": TASK, "id": "0a0b0c0d-0000-4000-8000-000000000000", "timelimit": [None, None]}
    claim = claim_of(headers=headers, fields=headers, queue=QUEUE, body=body, encoding="utf-8")
    headers[HEADER] = key.header(claim, issued=int(time()))
    path = folder / "alone.json"
    write_signers(path, key)
    signers = SignersFile(str(path)).current()
    kwargs = {"request": rows.redemptions([""], how_many=1)[0]}

    def verify() -> None:
        noted = [
            claim_of(headers=headers, fields=headers, queue=QUEUE, body=body, encoding="utf-8") for _ in range(BATCH)
        ]
        for each in pickle.loads(pickle.dumps(noted)):  # noqa: S301 - its own
            if failure_by(each, kwargs=kwargs, signers=signers) is not None:
                raise SystemExit("the signature is not as it must be")

    def seconds() -> float:
        started = process_time()
        verify()
        return process_time() - started

    return min(seconds() for _ in range(ALONE_TURNS)) / BATCH * MICROSECONDS


def sample(servers: BenchmarkServers, vouchers: list[str], count: int) -> Sample:
    """Start a worker, warm it up, and have it redeem so many messages."""
    broker = Broker(servers.environment)
    with servers.workers(QUEUE) as (worker,):
        broker.rate(TASK, rows.redemptions(vouchers, how_many=count // 4), queue=QUEUE)
        broker.stage(TASK, rows.redemptions(vouchers, how_many=count), queue=QUEUE)
        before = processor_seconds(worker.pid)
        rate = count / broker.drain(QUEUE)
        after = processor_seconds(worker.pid)
    spent = sum(after[each] - before[each] for each in WORKER)
    return Sample(rate, spent / count * MICROSECONDS)


def run(
    turns: Annotated[int, typer.Option(help="Turns of each kind.")] = 5,
    count: Annotated[int, typer.Option(help="Messages of a turn.")] = 8_000,
) -> None:
    """Measure, and print the medians and the ratios to the unsigned turns of the same round."""
    os.environ.pop(VARIABLE, None)
    keys: dict[str, SigningKey | None] = {UNSIGNED: None, **{each.value: signing_key(each) for each in Algorithm}}
    samples: dict[str, list[Sample]] = {name: [] for name in keys}
    print(calibrated())
    with tempfile.TemporaryDirectory(prefix="scrip-signers-") as folder, benchmark_servers() as servers:
        with servers.database():
            vouchers = rows.add_vouchers(VOUCHERS)
            for turn in range(turns):
                names = list(keys)[turn % len(keys) :] + list(keys)[: turn % len(keys)]
                for name in names:
                    path = Path(folder) / f"{name}.json"
                    with signed_by(keys[name], path=path, environment=servers.environment):
                        samples[name].append(sample(servers, vouchers, count))
            # Between the turns, at the clock of the machine that they had.
            spent = {name: 0.0 if key is None else alone(key, Path(folder)) for name, key in keys.items()}
        servers.require_clean()
    print_table(samples, spent)
    print(calibrated())


def print_table(samples: dict[str, list[Sample]], alone_: dict[str, float]) -> None:
    """Print the medians of each kind, and the medians of the ratios to the unsigned messages of the same turn."""
    titles = ("messages", "a second", "ratio", "processor time of the worker for one", "ratio", "the signature alone")
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    unsigned = median(each.microseconds for each in samples[UNSIGNED])
    for name, taken in samples.items():
        pairs = list(zip(taken, samples[UNSIGNED], strict=True))
        rate, spent = (median(each[position] for each in taken) for position in range(2))
        ratios = [median(one[position] / other[position] for one, other in pairs) for position in range(2)]
        print(
            f"| {name} | {rate:,.0f} | {ratios[0]:.3f} | {spent:.0f} µs | {ratios[1]:.3f} | "
            f"{alone_[name]:.1f} µs, {alone_[name] / unsigned:.1%} |"
        )


if __name__ == "__main__":
    typer.run(run)
