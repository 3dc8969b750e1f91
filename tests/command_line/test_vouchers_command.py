"""`scrip vouchers`: vouchers are listed, shown, created, updated and retired by the rules of the tasks."""

import json
import re
from pathlib import Path

import pytest

from scrip.commands.exit_codes import ExitCode
from tests.command_line.running import scrip, scrip_on_terminal
from tests.support.requests import create_voucher, voucher_body
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def test_a_project_without_vouchers_has_an_empty_list():
    """No header, and no line."""
    assert scrip("vouchers", "list") == (0, "", "")
    assert scrip("vouchers", "list", "--json") == (0, "", "")


def test_a_list_is_the_list_of_the_task():
    """Line by line, newest first, and only those of the project."""
    first, second = create_voucher(code="ONE"), create_voucher(name="Zwei\tTabs \x1b[31m")
    create_voucher(project="other")
    assert scrip("vouchers", "list", "--json").lines() == [second, first]
    rows = scrip("vouchers", "list").rows()
    assert [row[:4] for row in rows] == [
        [second["id"], "", "Zwei\\tTabs \\x1b[31m", "10 %"],
        [first["id"], "ONE", "Ten percent", "10 %"],
    ]
    assert scrip("vouchers", "list", "--code", "one", "--json").lines() == [first]


def test_a_list_has_the_filters_of_the_task():
    """Each by itself lets one voucher through."""
    wanted = create_voucher(campaign="spring", name="Spring sale", metadata={"team": "emea"})
    create_voucher()
    filters = (("campaign", "spring"), ("name", "Spring"), ("metadata", '{"team": "emea"}'))
    for option, value in filters:
        assert scrip("vouchers", "list", f"--{option}", value, "--json").lines() == [wanted]
    at = wanted["createdAt"]
    assert scrip("vouchers", "list", "--created-before", at).rows() == []
    assert len(scrip("vouchers", "list", "--created-from", at).rows()) == 2
    assert scrip("vouchers", "list", "--metadata", '"emea"').errors == "scrip: --metadata must be a JSON object\n"


def test_a_list_ends_at_its_limit_and_says_where_it_continues():
    """`--all` follows the pages to the end."""
    vouchers = [create_voucher()["id"] for _ in range(5)][::-1]
    listed = scrip("vouchers", "list", "--limit", "3")
    assert [row[0] for row in listed.rows()] == vouchers[:3]
    assert listed.errors == f"there are more: --all, or --after {vouchers[2]}\n"
    assert [row[0] for row in scrip("vouchers", "list", "--after", vouchers[2]).rows()] == vouchers[3:]
    for_a_program = scrip("vouchers", "list", "--limit", "3", "--json")
    assert [each["id"] for each in for_a_program.lines()] == vouchers[:3]
    assert json.loads(for_a_program.errors) == {"object": "more", "after": vouchers[2]}
    everything = scrip("vouchers", "list", "--limit", "3", "--all", "--json")
    assert ([each["id"] for each in everything.lines()], everything.errors) == (vouchers, "")
    assert scrip("vouchers", "list", "--limit", "0") == (0, "", "")


@pytest.mark.slow
def test_more_than_a_page_is_listed():
    """A page of the task has at most 200 items."""
    for number in range(201):
        create_voucher(name=f"Voucher {number}")
    names = [each["name"] for each in scrip("vouchers", "list", "--all", "--json").lines()]
    assert names == [f"Voucher {number}" for number in reversed(range(201))]
    assert len(scrip("vouchers", "list", "--limit", "201").rows()) == 201


def test_a_voucher_is_created_from_options():
    """The answer is that of the task, field by field in lines or as JSON."""
    done = scrip(
        *("vouchers", "create", "--name", "Sommer ☀", "--code", "SUMMER", "--amount", "999", "--currency", "USD"),
        *("--recurrence", "repeating", "--duration-in-months", "3", "--expires-at", "2099-01-01T00:00:00Z"),
        *("--maximum-redemptions", "5", "--product", "prod_a", "--product", "prod_b"),
        *("--excluded-product", "prod_c", "--first-purchase-only", "--json"),
    )
    assert (done.code, done.errors) == (0, "")
    (voucher,) = done.lines()
    assert (voucher["name"], voucher["code"], voucher["priceDiscount"]["amount"]) == ("Sommer ☀", "SUMMER", 999)
    assert voucher["recurrence"]["durationInMonths"] == 3
    assert voucher["restrictions"]["products"] == ["prod_a", "prod_b"]
    assert voucher["restrictions"]["excludedProducts"] == ["prod_c"]
    assert voucher["restrictions"]["firstPurchaseOnly"] is True
    shown = dict(scrip("vouchers", "show", voucher["id"]).rows())
    assert (shown["id"], shown["name"], shown["metadata"]) == (voucher["id"], "Sommer ☀", "{}")
    assert scrip("vouchers", "show", voucher["id"], "--json").lines() == [voucher]


def test_a_voucher_in_phases_is_created_and_listed():
    """The phases are typed as a person says them."""
    name = ("vouchers", "create", "--name", "Ramp", "--json")
    done = scrip(*name, "--phase", "33.3333 % for 3 months", "--phase", "500 usd for 1 month")
    assert (done.code, done.errors) == (0, "")
    (voucher,) = done.lines()
    first, second = voucher["recurrence"]["phases"]
    assert (first["priceDiscountPercentage"], first["durationInMonths"]) == (33.3333, 3)
    assert (second["priceDiscount"]["amount"], second["priceDiscount"]["currency"]) == (500, "USD")
    assert scrip("vouchers", "list").rows()[0][3] == "33.3333 %, then 500 USD"
    (in_cycles,) = scrip(*name, "--phase", "50% for 1 cycle", "--phase", "25% for 9 cycles").lines()
    assert [each["durationInCycles"] for each in in_cycles["recurrence"]["phases"]] == [1, 9]


@pytest.mark.parametrize(
    "text", ["50", "50 %", "50 % for months", "50 % for 3 weeks", "500 for 3 months", "-5% for 1 month"]
)
def test_a_phase_that_is_none_is_not_sent(text):
    """One line says how a phase is typed."""
    done = scrip("vouchers", "create", "--name", "Ramp", "--phase", text)
    assert done.code == ExitCode.INVALID
    assert "--phase must be as in '50% for 3 months'" in done.errors


def test_a_maximum_in_all_is_typed_with_its_currency():
    """And shown with the voucher. A text that is no amount is not sent."""
    create = ("vouchers", "create", "--name", "Up to", "--price-discount-percentage", "20", "--recurrence", "forever")
    (voucher,) = scrip(*create, "--maximum-discount-in-all", "10000 usd", "--json").lines()
    assert voucher["maximumDiscountInAll"] == {"amount": 10_000, "currency": "USD", "currencyOptions": {}}
    assert "maximumDiscountInAll" in dict(scrip("vouchers", "show", voucher["id"]).rows())
    for text in ("10000", "100.00 USD", "-1 USD", "USD"):
        done = scrip(*create, "--maximum-discount-in-all", text)
        assert done.code == ExitCode.INVALID
        assert "--maximum-discount-in-all must be as in '10000 USD'" in done.errors


def test_a_voucher_is_created_from_a_file_with_options_over_it(tmp_path: Path):
    """`--set` is over the file, and an option over both."""
    file = tmp_path / "voucher.json"
    file.write_text(json.dumps(voucher_body(name="File", restrictions={"maximumRedemptions": 5})))
    merged = '{"name": "Set", "restrictions": {"maximumRedemptionsPerCustomer": 1}, "metadata": {"team": "é"}}'
    words = ("vouchers", "create", "--set", merged, "--name", "Option", "--json")
    for done in (scrip(*words, "--file", str(file)), scrip(*words, "--file", "-", typed=file.read_text())):
        (voucher,) = done.lines()
        assert (voucher["name"], voucher["metadata"]) == ("Option", {"team": "é"})
        limits = voucher["restrictions"]
        assert (limits["maximumRedemptions"], limits["maximumRedemptionsPerCustomer"]) == (5, 1)


def test_a_repeated_creation_has_no_second_effect():
    """The request id is the caller's."""
    words = ("vouchers", "create", "--name", "Once", "--recurrence", "forever", "--request-id", "one", "--json")
    first = scrip(*words, "--price-discount-percentage", "12.5")
    assert first.lines()[0]["priceDiscountPercentage"] == 12.5
    assert scrip(*words, "--price-discount-percentage", "12.5").lines() == first.lines()
    other = scrip(*words, "--price-discount-percentage", "12")
    assert (other.code, other.lines()[0]["reason"]) == (3, "idempotency_conflict")
    assert len(scrip("vouchers", "list").rows()) == 1


def test_bad_fields_are_those_of_the_task(tmp_path: Path):
    """The rules are not written down a second time."""
    done = scrip("vouchers", "create", "--recurrence", "sometimes")
    assert (done.code, done.output) == (5, "")
    assert [line.split(": ")[1] for line in done.errors.splitlines()] == [
        "name",
        "priceDiscountPercentage",
        "recurrence.type",
    ]
    assert scrip("vouchers", "create", "--set", "{").code == 5
    assert scrip("vouchers", "create", "--file", str(tmp_path / "none.json")).code == 2
    assert scrip("vouchers", "list", "--status", "gone").code == 5


def test_an_update_changes_what_is_given():
    """A null in `--set` removes a field."""
    voucher = create_voucher(code="OLD", restrictions={"maximumRedemptions": 5, "maximumRedemptionsPerCustomer": 1})
    done = scrip("vouchers", "update", voucher["id"], "--name", "New", "--set", '{"code": null}', "--json")
    (changed,) = done.lines()
    assert (done.code, changed["name"], changed["code"]) == (0, "New", None)
    assert changed["restrictions"] == voucher["restrictions"]
    for option, is_so in (("--first-purchase-only", True), ("--any-purchase", False)):
        (changed,) = scrip("vouchers", "update", voucher["id"], option, "--json").lines()
        assert changed["restrictions"] == {**voucher["restrictions"], "firstPurchaseOnly": is_so}
    assert scrip("vouchers", "update", "vou_01m80jhp2gen0s4fxq6tp9p4dj", "--name", "x").code == 4


def test_retiring_needs_a_yes():
    """Without a terminal nobody can be asked."""
    voucher = create_voucher()["id"]
    assert scrip("vouchers", "retire", voucher) == (
        2,
        "",
        "scrip: nothing was done: without a terminal, this needs --yes\n",
    )
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher})["status"] == "available"
    done = scrip("vouchers", "retire", voucher, "--yes", "--json")
    assert (done.code, done.lines()[0]["status"]) == (0, "retired")
    assert scrip("vouchers", "list").rows() == []
    assert len(scrip("vouchers", "list", "--status", "retired", "--status", "available").rows()) == 1


@pytest.mark.slow
def test_on_a_terminal_somebody_is_asked():
    """No is the default."""
    voucher = create_voucher()["id"]
    code, shown = scrip_on_terminal("vouchers", "retire", voucher, typed="\n")
    assert (code, f"Retire {voucher} for good? [y/N]" in shown) == (2, True)
    # Ctrl-D, then Ctrl-C.
    assert scrip_on_terminal("vouchers", "retire", voucher, typed="\x04")[0] == 2
    assert scrip_on_terminal("vouchers", "retire", voucher, interrupted_at="[y/N]")[0] == 130
    assert scrip("vouchers", "list").rows()
    assert scrip_on_terminal("vouchers", "retire", voucher, typed="y\n")[0] == 0
    assert not scrip("vouchers", "list").rows()


@pytest.mark.slow
def test_a_terminal_gets_a_table():
    """With headers, and with a name in brackets as it is."""
    voucher = create_voucher(name="[bold]Summer[/bold]", code="SUMMER")
    code, shown = scrip_on_terminal("vouchers", "list")
    assert code == 0
    header, row = (next(line for line in shown.splitlines() if word in line) for word in ("redemptions", voucher["id"]))
    assert re.sub(r"\x1b\[[0-9;]*m", "", header).split() == [
        *("id", "code", "name", "discount", "type", "status", "redemptions", "expiresAt")
    ]
    assert "[bold]Summer[/bold]" in row


def test_without_a_project_nothing_is_read(monkeypatch: pytest.MonkeyPatch):
    """The message names the option and its variable."""
    done = scrip("vouchers", "list", project="")
    assert done.code == 2
    assert "SCRIP_PROJECT" in done.errors
    monkeypatch.setenv("SCRIP_PROJECT", "other")
    create_voucher()
    assert scrip("vouchers", "list", project="other").rows() == []
    assert len(scrip("vouchers", "list", "--project", "gigs", project="other").rows()) == 1


def test_the_history_names_who_changed_what():
    """Every command that writes takes the actor, also from the environment."""
    who = ("--actor", "ännä@support")
    words = ("--name", "Ten", "--price-discount-percentage", "10", "--recurrence", "forever")
    voucher = scrip("vouchers", "create", *words, *who, "--json").lines()[0]["id"]
    scrip("vouchers", "update", voucher, "--name", "Eleven", *who)
    (code,) = scrip("codes", "add", voucher, "ONE", *who, "--json").lines()
    scrip("codes", "import", voucher, "-", *who, typed="code\nTWO\n")
    scrip("codes", "generate", voucher, "--count", "1", *who)
    scrip("codes", "retire", code["id"], "--yes", *who)
    scrip("vouchers", "retire", voucher, "--yes", *who)
    rows = scrip("vouchers", "history", voucher).rows()
    kinds = ["retired", "code_retired", "codes_generated", "codes_added", "codes_added", "updated", "created"]
    assert [row[1:3] for row in rows] == [[kind, "ännä@support"] for kind in kinds]
    assert rows[5][3:5] == ['{"name": "Ten"}', '{"name": "Eleven"}']
    newest = scrip("vouchers", "history", voucher, "--limit", "1", "--json").lines()
    listed = task_named("vouchers.history")(request={"project": "gigs", "voucher": voucher, "limit": 1})
    assert newest == listed["items"]
