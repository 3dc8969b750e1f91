"""The examples of docs/security.md work as they stand, and its tables are complete."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.documents.blocks import CHECKOUT, blocks
from tests.end_to_end.broker import with_redis
from tests.end_to_end.busy_child import REDEEM
from tests.end_to_end.client import Client
from tests.end_to_end.programs import Worker
from tests.end_to_end.raw_messages import put_envelope
from tests.other_servers.server_program import installed
from tests.signing.conftest import SIGNED
from tests.signing.signing import HEADER, write_secret
from tests.support.requests import redemption
from worker.signing.signers import SignersFile
from worker.signing.signing_key import read_signing_key
from worker.signing.statement import claim_of, read_header
from worker.signing.verification import VerificationFailure, verification_failure

PAGE = "docs/security.md"
# After the page's code: send some redemptions, and print the ids of their tasks.
SENDING = """
import os, sys
from celery import Celery
client = Celery(broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
request = {"project": "acme", "requestId": "order-1", "code": "NONE", "customer": "cus_1", "subscription": "sub_1"}
for options in ({}, {"countdown": 1}, {"expires": 60}, {"time_limit": 60, "soft_time_limit": 50}):
    print(client.send_task("redemptions.redeem", queue="redemptions", kwargs={"request": request}, **options).id)
"""
SIGNING = """
import { signature } from "./signature.mjs";
console.log(signature(JSON.parse(process.argv[2])));
"""


@pytest.fixture
def signers_file(tmp_path: Path) -> Path:
    """Write the file of signers of the page."""
    return write_secret(tmp_path / "signers.json", blocks(PAGE, "json")[0])


def test_the_own_key_of_the_page_belongs_to_its_file_of_signers(tmp_path: Path, signers_file: Path) -> None:
    """What it signs is answered."""
    own = read_signing_key(str(write_secret(tmp_path / "own.json", blocks(PAGE, "json")[1])))
    fields = {"task": "expiry.sweep", "id": "task-1"}
    claim = claim_of(headers={}, fields=fields, queue="sweeps", body=b"[]", encoding="utf-8")
    header = own.header(claim, issued=1_796_025_600)
    signers = SignersFile(str(signers_file)).current()
    verdict = verification_failure(
        claim._replace(header=header), projects=(), due=None, signers=signers, age_seconds_max=10**10
    )
    assert verdict is None


def test_the_header_of_the_page_can_be_read() -> None:
    """It has the form of every header."""
    (header,) = blocks(PAGE, "text")
    signature = read_header(header.strip())
    assert signature
    assert (signature.key, signature.algorithm, len(signature.value)) == ("shop-1", "hmac-sha256", 32)


@pytest.mark.slow
def test_what_the_python_of_the_page_signs_is_answered(
    database: dict[str, str], tmp_path: Path, signers_file: Path
) -> None:
    """By a worker with the page's file, whatever the options of the sender."""
    variables = with_redis(database, number=SIGNED - 1) | {"SCRIP_SIGNERS_FILE": str(signers_file)}
    (tmp_path / "send.py").write_text(blocks(PAGE, "python")[0] + SENDING)
    with Worker(folder=tmp_path / "worker", environment=variables) as worker, Client(variables) as client:
        worker.wait_ready()
        done = subprocess.run(
            [sys.executable, "send.py"], cwd=tmp_path, env=variables, check=True, capture_output=True, text=True
        )
        answers = [client.answer(each) for each in done.stdout.split()]
        assert [each["reason"] for each in answers] == ["voucher_not_found"] * 4
        unsigned = client.outcome(client.send(REDEEM, redemption(project="acme", code="NONE")))
        assert unsigned["result"]["exc_type"] == "NotAllowed"


@pytest.mark.scale
def test_what_the_node_of_the_page_signs_is_answered(
    database: dict[str, str], tmp_path: Path, signers_file: Path
) -> None:
    """Sent as docs/how-to/node.md sends it."""
    installed("node", package="nodejs")
    variables = with_redis(database, number=SIGNED - 1) | {"SCRIP_SIGNERS_FILE": str(signers_file)}
    (tmp_path / "signature.mjs").write_text(blocks(PAGE, "js")[0])
    (tmp_path / "sign.mjs").write_text(SIGNING)
    body = json.dumps([[], {"request": redemption(project="acme", code="NÖNE")}, {}], ensure_ascii=False)
    message: dict[str, Any] = {"task": REDEEM, "id": "task-node", "queue": "redemptions", "body": body}
    node = ["node", "sign.mjs", json.dumps(message)]
    done = subprocess.run(node, cwd=tmp_path, check=True, capture_output=True, text=True)
    headers = {"task": REDEEM, "id": "task-node", HEADER: done.stdout.strip()}
    with Worker(folder=tmp_path / "worker", environment=variables) as worker, Client(variables) as client:
        worker.wait_ready()
        put_envelope(client, {"headers": headers, "body": body})
        assert client.answer("task-node")["reason"] == "voucher_not_found"


def table(name: str) -> list[list[str]]:
    """Return the rows of a table of the page."""
    text = (CHECKOUT / PAGE).read_text(encoding="utf-8")
    (found,) = re.findall(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in found.splitlines()[2:]]


def test_every_threat_has_a_test() -> None:
    """A file that was renamed would leave its threats without one."""
    named = {each for row in table("threats of messages") for each in re.findall(r"`(test_\w+\.py)`", row[-1])}
    assert named <= {each.name for each in Path(__file__).parent.glob("test_*.py")}
    assert all(re.search(r"`test_\w+\.py`", row[-1]) for row in table("threats of messages"))


def test_every_threat_of_another_kind_has_a_test() -> None:
    """Each attack that is kept is named."""
    rows = table("threats of other kinds")
    named = {each for row in rows for each in re.findall(r"`(tests/[\w/]+/test_\w+\.py)`", row[-1])}
    assert all(re.search(r"`tests/", row[-1]) for row in rows)
    assert {each for each in named if not (CHECKOUT / each).is_file()} == set()
    assert {f"tests/abuse/{each.name}" for each in (CHECKOUT / "tests" / "abuse").glob("test_*.py")} <= named


def test_the_page_has_every_refusal_in_its_order() -> None:
    """A caller that reads the text finds the reason, and the operator the label of the metric."""
    assert [row[0].strip("`| ") for row in table("refusals")] == [each.value for each in VerificationFailure]
