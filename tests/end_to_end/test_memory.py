"""The memory of a worker's children."""

import sys

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import invoice, redemption

MEBIBYTE = 2**20
CHILD_MEBIBYTES_MAX = 150
BATCH = 1_000


@pytest.mark.slow
def test_a_child_stays_small_after_the_largest_batches(client: Client, worker: Worker) -> None:
    """Every batch is sent twice, so that the second is answered from the stored answers."""
    voucher_id = created_voucher(client)
    for _ in range(2):
        requests = [redemption(voucher=voucher_id) for _ in range(BATCH)]
        invoices = [invoice(subscription=request["subscription"]) for request in requests]
        redeemed = [client.send("redemptions.redeem_many", {"requests": requests}) for _ in range(2)]
        first, second = [client.answer(each)["items"] for each in redeemed]
        assert first == second
        applied = [client.send("billing.apply_many", {"invoices": invoices}) for _ in range(2)]
        assert {item["discountTotal"] for each in applied for item in client.answer(each)["items"]} == {800}
    sizes = [child.memory_info().rss / MEBIBYTE for child in worker.children()]
    sys.stdout.write(f"children: {', '.join(f'{size:.0f} MiB' for size in sizes)}\n")
    assert max(sizes) < CHILD_MEBIBYTES_MAX
