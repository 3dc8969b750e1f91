"""Generate the example files: the small files for readers, and with --bulk the thousands of requests of `scrip demo`.

The same instant and seed give the same files. The times in the files are those of the instant `--now`, because half of
the rules are about time: `scrip demo` generates the files for the moment at which it runs.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from catalogue import GIFTS, OVERDUE, Json, bulk_vouchers, vouchers
from invoice_stories import stories
from invoicing import PLANS, billing_run, billing_runs
from redeeming import Scenario
from redemption_examples import REDEMPTIONS, redemption_examples
from tour import tour
from waves import waves

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
SEED = 20260301
LINE_WIDTH = 100


def readable(value: object, indent: int = 0) -> str:
    """Return JSON with each object on a single line if it fits."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= LINE_WIDTH or not isinstance(value, (dict, list)) or not value:
        return flat
    inner, outer = " " * (indent + 2), " " * indent
    if isinstance(value, list):
        parts = [readable(each, indent + 2) for each in value]
        return "[\n" + ",\n".join(inner + part for part in parts) + f"\n{outer}]"
    parts = [f"{json.dumps(key)}: {readable(each, indent + 2)}" for key, each in value.items()]
    return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{outer}}}"


def redemption_lines(now: datetime, seed: int) -> list[Json]:
    """Return every request with its scenario, its wave, and whether it is sent alone. Wave 1 is shuffled."""
    lines = [
        [
            {"wave": wave, "scenario": scenario.name, "alone": number < scenario.alone, "request": body}
            for scenario in scenarios
            for number, body in enumerate(scenario.requests)
        ]
        for wave, scenarios in enumerate(waves(now))
    ]
    random.Random(seed).shuffle(lines[1])
    return [line for wave in lines for line in wave]


def discounts_by_cycle(answers: Iterable[Json]) -> Json:
    """Return the sum of the discounts of the invoices, for each currency and cycle."""
    totals: dict[str, Counter[int]] = {}
    for each in answers:
        for discount in each["answer"].get("discounts", ()):
            totals.setdefault(each["request"]["currency"], Counter())[discount["cycle"]] += discount["amount"]
    return {
        currency: {str(cycle): amount for cycle, amount in sorted(cycles.items())}
        for currency, cycles in sorted(totals.items())
    }


def expected(now: datetime) -> Json:
    """Return the results that the demo must find: counts by construction of the requests, money by hand."""
    scenarios = [scenario for wave in waves(now) for scenario in wave]
    redemptions = Counter(REDEMPTIONS)
    for scenario in scenarios:
        redemptions.update(scenario.redemptions)
    issued = [*vouchers(now), *bulk_vouchers(now)]
    # Besides the overdue vouchers and the gifts: BYHAND; JUSTOVER, LONGOVER and last year's SPRING; FLASH100, ONLYONE.
    retired = {"manualAction": 1, "expired": OVERDUE + 3, "maxRedemptionsReached": GIFTS + 2}
    deliveries = [*first_deliveries(), *(each for run in billing_runs() for each in run)]
    return {
        "scenarios": {each.name: {"about": each.about, "answers": each.answers} for each in scenarios},
        "redemptions": dict(sorted(redemptions.items())),
        "askedAgain": asked_again(scenarios, now),
        "retired": retired | {"unknown": 0, "available": len(issued) - sum(retired.values())},
        "discounts": discounts_by_cycle(deliveries),
        # The whole first billing run, and the invoice of a story.
        "deliveredAgain": len(billing_run(0)) + 1,
    }


def first_deliveries() -> list[Json]:
    """Return the invoices of the stories without repeated deliveries."""
    invoices = [each for story in stories() for each in story["invoices"]]
    return list({each["request"]["invoice"]: each for each in reversed(invoices)}.values())


def asked_again(scenarios: Iterable[Scenario], now: datetime) -> int:
    """Return the number of request ids that are answered more than once, without changed and invalid requests."""
    other = {"invalid", "idempotency_conflict"}
    bodies = [body for each in scenarios if not other & each.answers.keys() for body in each.requests]
    bodies += [each["request"] for each in redemption_examples(now) if not other & set(each["answer"].values())]
    asked = Counter((body["project"], body["requestId"]) for body in bodies)
    return sum(1 for times in asked.values() if times > 1)


def write_lines(path: Path, rows: Iterable[Json]) -> None:
    """Write JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def write(into: Path, *, now: datetime = NOW, seed: int = SEED, bulk: bool = False) -> None:
    """Write the small files, and with `bulk` the JSON lines of the demo."""
    into.mkdir(parents=True, exist_ok=True)
    small = {"vouchers": vouchers(now), "redemptions": redemption_examples(now), "plans": PLANS,
             "invoices": stories(), "tour": tour(now), "expected": expected(now)}  # fmt: skip
    for name, value in small.items():
        (into / f"{name}.json").write_text(readable(value) + "\n", encoding="utf-8")
    if bulk:
        write_lines(into / "vouchers.jsonl", bulk_vouchers(now))
        write_lines(into / "redemptions.jsonl", redemption_lines(now, seed))
        runs = enumerate(billing_runs(), start=1)
        write_lines(into / "invoices.jsonl", ({"cycle": cycle} | each for cycle, run in runs for each in run))


def main() -> None:
    """Read the command line and write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=Path(__file__).parent, help="the folder to write into")
    parser.add_argument("--now", type=datetime.fromisoformat, default=NOW, help="the instant, with its offset")
    parser.add_argument("--seed", type=int, default=SEED, help="decides the order of the first wave")
    parser.add_argument("--bulk", action="store_true", help="write the JSON lines of the demo too")
    options = parser.parse_args()
    write(options.into, now=options.now.astimezone(UTC), seed=options.seed, bulk=options.bulk)


if __name__ == "__main__":
    main()
