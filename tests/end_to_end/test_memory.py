"""How much memory a worker's child takes."""

import sys

from tests.end_to_end.requests import created
from tests.end_to_end.running import Client, Worker
from tests.support.requests import invoice, redemption

MEBIBYTE = 2**20
CHILD_MEBIBYTES_MAX = 150
BATCH = 1_000


def test_a_child_stays_small_after_the_largest_batches(client: Client, worker: Worker) -> None:
    """Each child has a few of them behind it, each of them twice."""
    identity = created(client)
    for _ in range(2):
        requests = [redemption(voucher=identity) for _ in range(BATCH)]
        invoices = [invoice(subscription=request["subscription"]) for request in requests]
        redeemed = [client.send("redemptions.redeem_many", {"requests": requests}) for _ in range(2)]
        first, second = [client.answer(each)["items"] for each in redeemed]
        assert first == second
        applied = [client.send("billing.apply_many", {"invoices": invoices}) for _ in range(2)]
        assert {item["discountTotal"] for each in applied for item in client.answer(each)["items"]} == {800}
    sizes = [child.memory_info().rss / MEBIBYTE for child in worker.children()]
    sys.stdout.write(f"children: {', '.join(f'{size:.0f} MiB' for size in sizes)}\n")
    assert max(sizes) < CHILD_MEBIBYTES_MAX
