"""`scrip codes`: codes are listed, added, generated and retired, and go out and come in as CSV."""

import csv
import io
import os
import subprocess
from pathlib import Path

import pytest

from tests.command_line.running import PROGRAM, PROJECT, Done, scrip, scrip_alone
from tests.support.requests import add_codes, create_voucher
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

HEADER = "code,customer,maximumRedemptions,maximumRedemptionsPerCustomer,expiresAt\n"
UNKNOWN = "vou_01m80jhp2gen0s4fxq6tp9p4dj"


def codes_of(voucher: str) -> set[str]:
    """Return the available codes of a voucher."""
    return {each["code"] for each in scrip("codes", "list", voucher, "--all", "--json").lines()}


def import_text(voucher: str, text: str, *words: str) -> Done:
    """Import a file from standard input."""
    return scrip("codes", "import", voucher, "-", *words, typed=text)


def test_codes_are_added_listed_and_retired():
    """By the rules of the tasks, and to retire one needs a yes."""
    voucher = create_voucher()["id"]
    done = scrip("codes", "add", voucher, "ANNA-1", "-ANNA", "--customer", "Ännä", "--maximum-redemptions", "2")
    assert (done.code, done.output) == (2, "")
    limits = ("--customer", "Ännä", "--maximum-redemptions", "2", "--maximum-redemptions-per-customer", "1")
    words = ("codes", "add", voucher, *limits, "--json", "--", "A-1", "-A2")
    added = scrip(*words).lines()
    assert [(each["code"], each["customer"], each["maximumRedemptions"]) for each in added] == [
        ("A-1", "Ännä", 2),
        ("-A2", "Ännä", 2),
    ]
    assert [each["maximumRedemptionsPerCustomer"] for each in added] == [1, 1]
    taken = scrip("codes", "add", voucher, "NEW", "a-1")
    assert (taken.code, taken.errors.startswith("scrip: codes.1.code: ")) == (5, True)
    assert scrip("codes", "retire", added[0]["id"]).code == 2
    assert scrip("codes", "retire", added[0]["id"], "--yes", "--json").lines()[0]["status"] == "retired"
    assert codes_of(voucher) == {"-A2"}
    assert [row[1] for row in scrip("codes", "list", voucher, "--status", "retired").rows()] == ["A-1"]
    assert scrip("codes", "list", UNKNOWN).code == 4


def test_codes_are_generated_once_for_a_request_id():
    """Repeating the command continues, or does nothing."""
    voucher = create_voucher()["id"]
    words = ("codes", "generate", voucher, "--count", "30", "--prefix", "S-", "--json")
    first = scrip(*words, "--request-id", "one")
    assert (first.code, first.lines()[0]["generated"], first.lines()[0]["status"]) == (0, 30, "completed")
    assert scrip(*words, "--request-id", "one").lines() == first.lines()
    assert len(codes_of(voucher)) == 30
    assert scrip(*words).code == 0
    assert len(codes_of(voucher)) == 60
    assert scrip("codes", "generate", voucher, "--count", "31", "--request-id", "one").code == 3
    assert scrip("codes", "generate", voucher, "--count", "0").errors.startswith("scrip: count: ")
    assert scrip("codes", "generate", UNKNOWN, "--count", "1").code == 4


@pytest.mark.slow
def test_an_interrupted_generation_says_how_to_continue():
    """Nobody chose the request id, so the command names its own."""
    unreachable = "postgresql://scrip:s3cr3t@127.0.0.1:1/none"
    done = scrip_alone("codes", "generate", UNKNOWN, "--count", "5", DATABASE_URL=unreachable)
    assert done.code == 2
    assert done.errors.splitlines()[-1].startswith("To continue, repeat the command with --request-id scrip-")


def test_an_export_is_csv_with_every_page():
    """Every code once, newest first, and nothing on standard output but the file."""
    voucher = create_voucher()
    limits = ("--maximum-redemptions-per-customer", "1", "--expires-at", "2099-01-01T00:00:00Z")
    scrip("codes", "generate", voucher["id"], "--count", "450", *limits)
    done = scrip("codes", "export", voucher["id"])
    assert (done.code, done.errors) == (0, "450 codes\n")
    rows = list(csv.DictReader(io.StringIO(done.output)))
    listed = scrip("codes", "list", voucher["id"], "--all", "--json").lines()
    assert [row["id"] for row in rows] == [each["id"] for each in listed]
    names = ("expiresAt", "maximumRedemptions", "maximumRedemptionsPerCustomer", "customer")
    assert {tuple(row[name] for name in names) for row in rows} == {("2099-01-01T00:00:00Z", "1", "1", "")}


def test_an_export_without_codes_is_a_header():
    """An import of it does nothing."""
    voucher = create_voucher()["id"]
    done = scrip("codes", "export", voucher)
    assert (done.code, len(done.output.splitlines()), done.errors) == (0, 1, "0 codes\n")
    assert import_text(voucher, done.output, "--ignore-other-columns").code == 0
    missing = scrip("codes", "export", UNKNOWN)
    assert (missing.code, missing.output) == (4, "")


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "'=1", "''-1", "plain", 'say "ü", twice\nover']


def test_no_cell_is_a_formula_and_each_comes_back_as_it_was():
    """A spreadsheet runs a cell that begins with one of four characters. `--raw` leaves even those as they are."""
    voucher = create_voucher()
    add_codes(voucher, *({"code": f"-C{n}", "customer": customer} for n, customer in enumerate(FORMULAS)))
    exported = scrip("codes", "export", voucher["id"]).output
    cells = [cell for row in csv.reader(io.StringIO(exported)) for cell in row]
    assert not [cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}]
    raw = list(csv.DictReader(io.StringIO(scrip("codes", "export", voucher["id"], "--raw").output)))
    assert {(row["code"], row["customer"]) for row in raw} == {(f"-C{n}", each) for n, each in enumerate(FORMULAS)}
    other = create_voucher(project="other")["id"]
    words = ("codes", "import", other, "-", "--ignore-other-columns")
    assert scrip(*words, typed=exported, project="other").code == 0
    copied = scrip("codes", "list", other, "--all", "--json", project="other").lines()
    assert {(each["code"], each["customer"]) for each in copied} == {(row["code"], row["customer"]) for row in raw}


def test_an_import_adds_the_codes_of_a_file_once(tmp_path: Path):
    """With their limits. The file may come from a spreadsheet, with a byte order mark and Windows' line ends."""
    voucher = create_voucher()["id"]
    file = tmp_path / "codes.csv"
    text = HEADER + "ONE,cus_é,3,2,2099-01-01T00:00:00Z\n\nTWO,,,,\n"
    file.write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    for _ in range(2):
        done = scrip("codes", "import", voucher, str(file), "--json")
        assert (done.code, done.errors) == (0, "")
        assert done.lines() == [{"object": "import", "voucher": voucher, "codes": 2}]
    two, one = scrip("codes", "list", voucher, "--json").lines()
    assert [each["maximumRedemptionsPerCustomer"] for each in (one, two)] == [2, None]
    assert (one["customer"], one["maximumRedemptions"], one["expiresAt"]) == ("cus_é", 3, "2099-01-01T00:00:00Z")
    assert (two["code"], two["customer"], two["maximumRedemptions"], two["expiresAt"]) == ("TWO", None, None, None)


@pytest.mark.slow
def test_an_import_that_stopped_at_a_bad_line_is_repeated_after_a_repair():
    """The codes before are not added twice, and the message names the line."""
    voucher = create_voucher()["id"]
    good = [f"CODE-{number}" for number in range(2_500)]
    bad = [*good[:1_500], "no code", *good[1_501:]]
    done = import_text(voucher, "\n".join(["code", *bad]))
    assert (done.code, done.output) == (5, "")
    first, second = done.errors.splitlines()
    assert first == "1000 codes before the bad ones are imported"
    assert second.startswith("scrip: line 1502: code: ")
    assert len(codes_of(voucher)) == 1_000
    repaired = import_text(voucher, "\n".join(["code", *good]), "--json")
    assert (repaired.code, repaired.lines()[0]["codes"]) == (0, 2_500)
    assert codes_of(voucher) == set(good)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: must name each column once, and code among them"),
        ("kode\nX-1\n", "line 1: must name each column once, and code among them"),
        ("code,code\nX-1,X-2\n", "line 1: must name each column once, and code among them"),
        ("code,status\nX-1,retired\n", "line 1: has columns that a new code has not"),
        ("code,customer\nX-1\n", "line 2: must have as many cells as the header"),
        ("code\nX-1,cus_1\n", "line 2: must have as many cells as the header"),
        ('code\n"X-1\n', "line 2: is not CSV"),
        ("code,maximumRedemptions\nX-1,many\n", "line 2: maximumRedemptions: "),
        ("code,maximumRedemptions\nX-1,0\n", "line 2: maximumRedemptions: "),
        ("code,maximumRedemptionsPerCustomer\nX-1,0\n", "line 2: maximumRedemptionsPerCustomer: "),
        ("code\nX-1\nx-1\n", "codes: must name each code once"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(text: str, problem: str):
    """Nothing is added."""
    voucher = create_voucher()["id"]
    done = import_text(voucher, text)
    assert (done.code, done.output) == (5, "")
    assert f"scrip: {problem}" in done.errors
    assert codes_of(voucher) == set()


def test_a_file_that_is_not_there_or_no_text_cannot_be_read(tmp_path: Path):
    """The exit code differs from that of a bad line."""
    voucher = create_voucher()["id"]
    assert scrip("codes", "import", voucher, str(tmp_path / "none.csv")).code == 2
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"code\n\xff\xfe\n")
    assert scrip("codes", "import", voucher, str(binary)).code == 2
    assert scrip("codes", "import", voucher, str(tmp_path)).code == 2


@pytest.mark.slow
def test_a_reader_who_goes_away_ends_an_export_quietly():
    """As with `scrip codes export … | head -1`."""
    voucher = create_voucher()["id"]
    task_named("vouchers.generate_codes")(request={"project": "gigs", "voucher": voucher, "count": 5_000})
    with subprocess.Popen(
        [PROGRAM, "codes", "export", voucher],
        env={**os.environ, **PROJECT},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout
        assert program.stderr
        assert program.stdout.readline().startswith("code,customer")
        program.stdout.close()
        assert program.stderr.read() == ""
    assert program.returncode == 141
