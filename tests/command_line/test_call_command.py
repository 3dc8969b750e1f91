"""`scrip call`: any task of the contract, with an exit code for each kind of answer."""

import json

import pytest
from sqlalchemy import text

from tasks.celery import app
from tests.command_line.running import scrip, scrip_alone
from tests.support.administrator import as_administrator
from tests.support.requests import create_voucher, redemption, voucher_body
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def test_an_answer_is_the_answer_of_the_task():
    """One line of JSON, from the use case that a worker runs."""
    voucher = create_voucher(name="Straße ✓ 🎟")
    done = scrip("call", "vouchers.retrieve", json.dumps({"project": "gigs", "voucher": voucher["id"]}))
    assert (done.code, done.errors) == (0, "")
    assert done.lines() == [task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})]
    assert done.lines()[0]["name"] == "Straße ✓ 🎟"


def test_every_task_can_be_called():
    """The list has each of them."""
    contract = sorted(name for name in app.tasks if not name.startswith("celery."))
    assert scrip("call").output.split() == contract
    assert scrip("call", "--json").lines() == contract


def test_a_request_can_come_from_standard_input():
    """A long request fits no command line."""
    done = scrip("call", "vouchers.create", "-", typed=json.dumps(voucher_body(name="From a file")))
    assert (done.code, done.lines()[0]["name"]) == (0, "From a file")


def test_a_batch_task_decides_a_single_request():
    """The code that gathers messages has none to gather here."""
    voucher = create_voucher(maximumDiscount={"amount": 100, "currency": "USD"})
    done = scrip("call", "redemptions.redeem", json.dumps(redemption(voucher=voucher["id"])))
    assert (done.code, done.lines()[0]["outcome"]) == (0, "accepted")


def test_a_refusal_is_an_answer_with_an_exit_code_of_its_own():
    """The answer is on standard output all the same, and the reason on standard error."""
    request = json.dumps(redemption(code="UNKNOWN"))
    done = scrip("call", "redemptions.redeem", request)
    assert (done.code, done.lines()[0]["reason"], done.errors) == (
        3,
        "voucher_not_found",
        "scrip: refused: voucher_not_found\n",
    )
    told = json.loads(scrip("call", "redemptions.redeem", request, "--json").errors)
    assert (told["exitCode"], told["error"], told["reason"]) == (3, "REFUSED", "voucher_not_found")


def test_an_unknown_object_is_not_found():
    """The exit code differs from that of an id that cannot be one."""
    unknown = json.dumps({"project": "gigs", "voucher": "vou_01m80jhp2gen0s4fxq6tp9p4dj"})
    assert scrip("call", "vouchers.retrieve", unknown) == (4, "", "scrip: the project has no such voucher\n")


def test_each_bad_field_is_named():
    """As in the error of the task, without the values."""
    request = json.dumps({"project": "gigs", "voucher": "HUSH-1", "colour": "HUSH-2"})
    done = scrip("call", "vouchers.retrieve", request)
    assert (done.code, done.output) == (5, "")
    assert [line.split(": ")[:2] for line in done.errors.splitlines()] == [["scrip", "voucher"], ["scrip", "?"]]
    assert "HUSH" not in done.errors
    told = json.loads(scrip("call", "vouchers.retrieve", request, "--json").errors)
    assert (told["exitCode"], [each["field"] for each in told["errors"]]) == (5, ["voucher", "?"])


@pytest.mark.parametrize(
    "request_text", ["", "{", "[]", "7", '{"limit": NaN}', "[" * 100_000, '{"project": "\\ud800"}', "\udcff"]
)
def test_a_text_that_is_no_request_is_invalid(request_text: str):
    """No traceback, and nothing on standard output."""
    done = scrip("call", "vouchers.list", request_text)
    assert (done.code, done.output) == (5, "")
    assert done.errors.startswith("scrip: ")


def test_an_unknown_task_is_told_its_neighbours():
    """A misspelt name is not looked up in the contract."""
    done = scrip("call", "voucher.list")
    assert (done.code, done.output) == (2, "")
    assert done.errors.startswith("scrip: there is no task voucher.list: did you mean vouchers.list")
    assert scrip("call", "celery.backend_cleanup").code == 2
    assert scrip("call", "zzz").errors == "scrip: there is no task zzz, see docs/contract.md\n"


@pytest.mark.slow
def test_a_database_that_is_not_there_is_unusable():
    """One line, without the password."""
    unreachable = "postgresql://scrip:s3cr3t@127.0.0.1:1/none"
    done = scrip_alone("call", "vouchers.list", '{"project": "gigs"}', DATABASE_URL=unreachable)
    assert (done.code, done.output) == (2, "")
    assert done.errors.startswith("scrip: the servers cannot be reached: ")
    assert done.errors.count("\n") == 1
    assert "s3cr3t" not in done.errors


@pytest.fixture
def renamed_column(database):  # noqa: ARG001 - audited after the column is there again
    """Take away a column, as a migration that was left out would."""
    with as_administrator() as session:
        session.execute(text("ALTER TABLE vouchers RENAME COLUMN name TO lost"))
    yield
    with as_administrator() as session:
        session.execute(text("ALTER TABLE vouchers RENAME COLUMN lost TO name"))


@pytest.mark.usefixtures("renamed_column")
def test_a_fault_of_scrip_is_no_fault_of_the_request():
    """The message has the error and its place in the code, and no value."""
    done = scrip("call", "vouchers.create", json.dumps(voucher_body(name="HUSH")))
    assert (done.code, done.output) == (6, "")
    assert done.errors.startswith("scrip: the request cannot be decided: ProgrammingError, SQLSTATE 42703")
    assert "HUSH" not in done.errors
