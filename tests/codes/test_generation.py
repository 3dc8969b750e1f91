"""Generate codes: as many as requested, exactly once in spite of crashes and redeliveries, and hard to guess."""

import re
from collections import Counter

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import text

from domain.code_pattern import ALPHABET, CodePattern
from tasks.celery import app
from tasks.codes.generate import CHUNK_SIZE, generate_codes
from tasks.codes.messages import GenerateCodes
from tasks.codes.random_codes import draw_codes
from tasks.wire.errors import InvalidRequest, NotFound
from tests.codes.calls import listed, retire
from tests.support.database_between_tests import vacuum_database
from tests.support.requests import add_codes, create_voucher, redeem
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

# A pattern of 1,000 codes, for many uses each.
SMALL = {"alphabet": "0123456789", "length": 3, "maximumRedemptions": None}

NOBODY_LISTENS = 1
# The driver prepares a statement at the fifth execution, and Postgres keeps the plan after five more.
ENOUGH_FOR_A_KEPT_PLAN = 12


class WorkerLostError(Exception):
    """The end of a worker between two chunks."""


def body(voucher: dict, **fields) -> dict:
    """Return a request for codes of a voucher."""
    return {"project": "gigs", "voucher": voucher["id"], **fields}


def generate(voucher: dict, **fields) -> dict:
    """Call the task that generates codes."""
    answer: dict = task_named("vouchers.generate_codes")(request=body(voucher, **fields))
    return answer


def codes_of(voucher: dict) -> list[str]:
    """Return the texts of all codes of a voucher."""
    with transaction() as session:
        rows = session.execute(
            text("SELECT c.code FROM codes c JOIN vouchers v ON v.id = c.voucher_id WHERE v.name = :name"),
            {"name": voucher["name"]},
        )
        return list(rows.scalars())


def test_codes_are_generated_as_they_were_asked_for():
    """Each code is listed and can be redeemed like any other code."""
    voucher = create_voucher(restrictions={"expiresAt": "2099-02-01T00:00:00Z", "maximumRedemptions": 50})
    limits = {
        "maximumRedemptions": 3,
        "maximumRedemptionsPerCustomer": 2,
        "expiresAt": "2099-01-01T00:00:00Z",
        "customer": "cus_1",
    }
    answer = generate(voucher, count=20, prefix="SPRING-", alphabet="abcdef", length=9, **limits)
    assert answer == {
        "object": "codeGeneration",
        "id": answer["id"],
        "project": "gigs",
        "voucher": voucher["id"],
        "count": 20,
        "generated": 20,
        "status": "completed",
    }
    assert answer["id"].startswith("gen_")
    codes = listed(voucher)
    assert len({code["code"] for code in codes}) == 20
    assert all(re.fullmatch("SPRING-[a-f]{9}", code["code"]) for code in codes)
    assert [{name: code[name] for name in limits} for code in codes] == [limits] * 20
    assert redeem(code=codes[0]["code"], customer="cus_1")["voucher"] == voucher["id"]


def test_by_default_a_code_is_for_one_use_and_has_thirteen_characters_without_look_alikes():
    """The second redemption by a code is refused."""
    voucher = create_voucher()
    generate(voucher, count=100)
    (code, *_) = codes = codes_of(voucher)
    assert all(re.fullmatch(f"[{ALPHABET}]{{13}}", code) for code in codes)
    assert [redeem(code=code)["reason"] for _ in range(2)] == [None, "code_max_redemptions_reached"]


@pytest.mark.parametrize("alphabet", ["AB", "ABC", ALPHABET, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"])
def test_each_character_is_equally_likely(alphabet):
    """Each count is within five standard deviations, even if 256 is no multiple of the alphabet's size."""
    drawn = 200_000
    counts = Counter("".join(draw_codes(CodePattern(prefix="", alphabet=alphabet, length=50), count=drawn // 50)))
    assert set(counts) == set(alphabet)
    total, share = sum(counts.values()), 1 / len(alphabet)
    tolerance = 5 * (total * share * (1 - share)) ** 0.5
    assert all(abs(count - total * share) < tolerance for count in counts.values())


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"count": 0}, ["count"]),
        ({"count": 1_000_001}, ["count"]),
        ({"count": 5, "length": 11}, ["length"]),
        ({"count": 5, "length": 11, "maximumRedemptions": 1}, ["length"]),
        ({"count": 5, "prefix": "A B", "alphabet": "aA", "length": 0}, ["prefix", "alphabet", "length"]),
        ({"count": 5, "prefix": "A" * 250}, ["length"]),
        ({"count": 2, **SMALL, "length": 2}, ["length"]),
        ({"count": 501, **SMALL}, ["count"]),
        ({"count": 5, "maximumRedemptions": 6}, ["maximumRedemptions"]),
        ({"count": 5, "expiresAt": "2099-02-01T00:00:01Z"}, ["expiresAt"]),
        ({"count": 5, "extra": 1, "customer": ""}, ["customer", "?"]),
    ],
)
def test_bad_input_names_every_bad_field_and_writes_nothing(fields, bad):
    """Codes are too easy to guess, the pattern has too few codes, or a limit exceeds the voucher's."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 5, "expiresAt": "2099-02-01T00:00:00Z"})
    with pytest.raises(InvalidRequest) as refused:
        generate(voucher, **{"length": 3 if "maximumRedemptions" in fields else 13, **fields})
    assert [error["field"] for error in refused.value.errors] == bad
    with transaction() as session:
        assert session.execute(text("SELECT count(*) FROM codes, code_generations")).scalar_one() == 0


def test_a_pattern_that_others_have_used_up_is_refused():
    """A generation can have at most half of the free codes of a pattern."""
    voucher = create_voucher()
    assert generate(voucher, count=500, **SMALL)["generated"] == 500
    with pytest.raises(InvalidRequest) as refused:
        generate(voucher, count=400, **SMALL)
    assert [error["field"] for error in refused.value.errors] == ["count"]
    assert generate(voucher, count=150, **SMALL)["generated"] == 150
    assert len(set(codes_of(voucher))) == 650


def test_what_others_take_meanwhile_ends_the_generation_with_what_there_is():
    """The generation continues as soon as there are free codes again."""
    voucher = create_voucher()
    pattern = {"alphabet": "01", "length": 3, "maximumRedemptions": None}
    request = GenerateCodes.model_validate(body(voucher, count=4, requestId="r1", **pattern))
    rest = [f"{number:03b}" for number in range(8)]

    def take_the_rest(_row) -> None:
        add_codes(voucher, *({"code": code} for code in rest if code not in codes_of(voucher)))

    with pytest.raises(InvalidRequest):
        generate_codes(request, report=take_the_rest, chunk_size=3)
    for code in listed(voucher):
        retire(code)
    assert generate_codes(request, report=lambda _row: None)["generated"] == 4


@pytest.mark.parametrize("key", [{"requestId": "r1"}, {}])
def test_after_a_crash_it_goes_on_where_it_stopped_without_a_duplicate_or_a_hole(key):
    """The redelivery is recognised by the request id or by the task id."""
    voucher = create_voucher()
    request = GenerateCodes.model_validate(body(voucher, count=25, **key))
    seen: list[int] = []

    def crash_after_two(row) -> None:
        seen.append(row.generated)
        if len(seen) == 2:
            raise WorkerLostError

    with pytest.raises(WorkerLostError):
        generate_codes(request, delivery="delivered-twice", report=crash_after_two, chunk_size=10)
    before = codes_of(voucher)
    answer = generate_codes(request, delivery="delivered-twice", report=crash_after_two, chunk_size=10)
    after = codes_of(voucher)
    assert seen == [10, 20, 25]
    assert (len(before), len(after), len(set(after)), answer["generated"]) == (20, 25, 25, 25)
    assert set(before) < set(after)
    assert generate_codes(request, delivery="delivered-twice", report=crash_after_two) == answer
    assert sorted(codes_of(voucher)) == sorted(after)


def test_the_same_request_id_with_another_body_is_refused_and_writes_nothing():
    """A refusal is an answer, not an error. Without a request id, each message generates new codes."""
    voucher = create_voucher()
    first = generate(voucher, count=5, requestId="r1")
    assert generate(voucher, count=6, requestId="r1") == {
        "object": "codeGeneration",
        "project": "gigs",
        "requestId": "r1",
        "outcome": "refused",
        "reason": "idempotency_conflict",
    }
    assert generate(voucher, count=5, requestId="r1") == first
    assert len(codes_of(voucher)) == 5
    assert generate(voucher, count=5)["id"] != generate(voucher, count=5)["id"]


def test_a_voucher_that_does_not_exist_is_not_found():
    """The voucher belongs to another project."""
    voucher = create_voucher()
    with pytest.raises(NotFound):
        task_named("vouchers.generate_codes")(request={**body(voucher, count=5), "project": "other"})


# Celery's result backend uses a deprecated call of redis-py. Workers do not treat warnings as errors.
@pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
def test_its_progress_is_in_the_tasks_state(monkeypatch):
    """The state has the number of codes so far and their total."""
    monkeypatch.setattr(generate_codes, "__kwdefaults__", {"delivery": None, "chunk_size": 4})
    voucher = create_voucher()
    task_named("vouchers.generate_codes").apply(
        kwargs={"request": body(voucher, count=10)}, task_id="with-progress"
    ).get()
    result = app.AsyncResult("with-progress")
    assert (result.state, result.info) == ("PROGRESS", {"generated": 10, "count": 10})


def test_a_result_backend_that_is_away_stops_no_generation(monkeypatch):
    """The progress cannot be reported, but the codes are in the database."""
    monkeypatch.setattr(generate_codes, "__kwdefaults__", {"delivery": None, "chunk_size": 4})
    monkeypatch.setattr(app.backend, "client", Redis(port=NOBODY_LISTENS, retry=Retry(NoBackoff(), retries=0)))
    voucher = create_voucher()
    task_named("vouchers.generate_codes").apply(kwargs={"request": body(voucher, count=10)}, task_id="in-silence").get()
    assert len(codes_of(voucher)) == 10


@pytest.mark.slow
def test_a_generation_of_several_chunks_is_whole():
    """There are two full chunks and a rest. Before that, Postgres has kept a plan for single codes."""
    voucher = create_voucher(name="Several chunks")
    vacuum_database()
    for _ in range(ENOUGH_FOR_A_KEPT_PLAN):
        generate(create_voucher(), count=1)
    count = 2 * CHUNK_SIZE + 1
    assert generate(voucher, count=count)["generated"] == count
    assert len(set(codes_of(voucher))) == count
