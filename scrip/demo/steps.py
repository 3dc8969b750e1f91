"""The steps of the demo: the requests sent through the broker, their order, and the answers that are kept."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

from scrip.demo.checks import Check, Found
from scrip.demo.client import APPLY, REDEEM, BulkMessage, Client, Json, messages

GENERATE = Path(__file__).resolve().parents[2] / "examples" / "generate.py"
PROJECT = "acme"
# Names in examples/ of the vouchers and the scenario that the demo treats differently from the others.
CREATED_TWICE = "Partner campaign"
RETIRED_BY_HAND = "Retired by hand"
CHANGED = "changed"
RETRIEVED = 20


class Examples:
    """The example files, generated anew for the instant at which the demo runs."""

    def __init__(self, folder: Path) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        subprocess.run([sys.executable, str(GENERATE), "--bulk", "--into", str(folder), "--now", now], check=True)
        self._folder = folder
        self.expected: Json = self.read("expected")

    def read(self, name: str) -> Any:
        """Return the contents of a JSON file."""
        return json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))

    def lines(self, name: str) -> list[Json]:
        """Return the objects of a file of JSON lines."""
        with (self._folder / f"{name}.jsonl").open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]


class Demo:
    """Sends the examples through the broker and keeps the answers."""

    def __init__(self, *, client: Client, examples: Examples) -> None:
        self._client = client
        self._examples = examples
        self._ids: dict[str, str] = {}
        self.found = Found()

    def run(self) -> None:
        """Play the demo from the first voucher to the last sweep."""
        self._create_vouchers()
        self._retire_twice()
        self._redeem("subscriptions redeem", wave=0)
        self._redeem("everybody redeems, all at once", wave=1)
        self._redeem("the same requests again, some changed", wave=2)
        self._retrieve_changed()
        self.found.examples = self._client.ask_all("redemptions.json", messages(self._redemption_examples(), REDEEM))
        self._bill()
        self._tell_stories()
        self._sweep()
        self._redeem("after the sweep", wave=3)
        self._retrieve_vouchers()

    def _create_vouchers(self) -> None:
        bodies = self._examples.read("vouchers")
        # In order, because the newest of two vouchers with the same code owns the code.
        created = [self._client.ask("vouchers.create", body) for body in bodies]
        bulk = alone("vouchers.create", self._examples.lines("vouchers"))
        created += [each.answer for each in self._client.ask_all("vouchers created", bulk)]
        self._ids = {voucher["name"]: voucher["id"] for voucher in created}
        again = self._client.ask("vouchers.create", next(body for body in bodies if body["name"] == CREATED_TWICE))
        made = {again["id"], self._ids[CREATED_TWICE]}
        self.found.checks.append(Check(title="vouchers from one request id sent twice", expected=1, found=len(made)))

    def _retire_twice(self) -> None:
        voucher = {"project": PROJECT, "voucher": self._ids[RETIRED_BY_HAND]}
        first, again = (self._client.ask("vouchers.retire", voucher) for _ in range(2))
        answers = 1 if first == again else 2
        self.found.checks.append(Check(title="answers to retiring a voucher twice", expected=1, found=answers))

    def _redeem(self, description: str, *, wave: int) -> None:
        lines = [line for line in self._examples.lines("redemptions") if line["wave"] == wave]
        self.found.redemptions += self._client.ask_all(description, messages(lines, REDEEM))

    def _retrieve_changed(self) -> None:
        changed = [each.line["request"] for each in self.found.redemptions if each.line["scenario"] == CHANGED]
        keys = [{name: request[name] for name in ("project", "requestId")} for request in changed[:RETRIEVED]]
        retrieved = self._client.ask_all("what was changed is as before", alone("redemptions.retrieve", keys))
        self.found.retrieved = retrieved

    def _redemption_examples(self) -> Iterator[Json]:
        ids = {f"(id of {name})": voucher for name, voucher in self._ids.items()}
        for example in self._examples.read("redemptions"):
            request = example["request"]
            if "voucher" in request:
                request["voucher"] = ids[request["voucher"]]
            yield example

    def _bill(self) -> None:
        lines = self._examples.lines("invoices")
        cycles = range(1, 1 + max(line["cycle"] for line in lines))
        first, *later = [[line for line in lines if line["cycle"] == cycle] for cycle in cycles]
        self.found.runs = self._client.ask_all("billing run 1", messages(first, APPLY))
        # The sweep completes discounts that are over. A later invoice of a covered period is still discounted.
        self._sweep()
        runs = [messages(run, APPLY) for run in later]
        self.found.runs += self._client.ask_all(f"billing runs 2 to {len(cycles)}", *runs)
        self.found.first_run_again = self._client.ask_all("billing run 1, delivered again", messages(first, APPLY))

    def _tell_stories(self) -> None:
        steps = zip_longest(*(story["invoices"] for story in self._examples.read("invoices")))
        rounds = [messages(({**each, "alone": True} for each in step if each), APPLY) for step in steps]
        self.found.stories = self._client.ask_all("invoices.json", *rounds)

    def _sweep(self) -> None:
        # Beat sends this every minute. The demo does not wait that long.
        self._client.ask("expiry.sweep", {})

    def _retrieve_vouchers(self) -> None:
        references = [{"project": PROJECT, "voucher": voucher} for voucher in self._ids.values()]
        retrieved = self._client.ask_all("vouchers retrieved", alone("vouchers.retrieve", references))
        self.found.vouchers = [each.answer for each in retrieved]


def alone(task: str, requests: Iterable[Json]) -> Iterator[BulkMessage]:
    """Return a message for each request."""
    return (BulkMessage(task, request, [{"request": request}]) for request in requests)
