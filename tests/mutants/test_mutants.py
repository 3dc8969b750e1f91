"""The list of mutants: each still applies, and some of them are run."""

from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.mutants import attempts
from tests.mutants.__main__ import fate_of, in_order
from tests.mutants.checkout import Fate, MutatedCheckout
from tests.mutants.equivalent import EQUIVALENT
from tests.mutants.every import MUTANTS
from tests.mutants.mutant import CHECKOUT, Equivalent, Mutant
from tests.mutants.schema import TESTS, schema_mutants
from tests.support.administrator import as_administrator

WORDS_MIN = 4
# Of those listed.
A_FEW = 3

A_TEST = """
import threading
from pathlib import Path

def test_it():
    text = Path("subject.txt").read_text()
    if text == "hangs":
        threading.Event().wait()
    assert text == "right"
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MutatedCheckout:
    """Copy a checkout that has a single test of a single word."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "subject.txt").write_text("right")
    (source / "test_subject.py").write_text(A_TEST)
    (source / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\nfaulthandler_timeout = 60\nfaulthandler_exit_on_timeout = true\n"
        'markers = ["scale: takes minutes"]\n'
    )
    monkeypatch.setattr("tests.mutants.checkout.CHECKOUT", source)
    monkeypatch.setattr("tests.mutants.checkout.files_of_checkout", lambda: [each.name for each in source.iterdir()])
    monkeypatch.setattr("tests.mutants.checkout.TEST_SECONDS_MAX", 1)
    copy = tmp_path / "copy"
    copy.mkdir()
    return MutatedCheckout(copy)


def mutant(new: str, *, old: str = "right", test: str = "test_subject.py") -> Mutant:
    """Return a mutant of the word."""
    return Mutant("word", "The word is right.", "subject.txt", old, new, (test,))


def test_each_mutant_applies_once():
    """The code may have changed since it was listed. The replacement is another text, and valid Python."""
    every: list[Mutant | Equivalent] = [*MUTANTS, *EQUIVALENT]
    sources = {each.file: (CHECKOUT / each.file).read_text() for each in every}
    assert [each.name for each in every if sources[each.file].count(each.old) != 1 or each.old == each.new] == []
    for each in every:
        compile(sources[each.file].replace(each.old, each.new), each.name, "exec")


def test_names_are_unique():
    """`make mutants ONLY=…` finds a mutant by its name."""
    assert [name for name, count in Counter(each.name for each in [*MUTANTS, *EQUIVALENT]).items() if count > 1] == []


def test_each_mutant_breaks_a_promise():
    """It says so in a sentence, and each equivalent one has a proof."""
    said = [*(each.promise for each in MUTANTS), *(each.proof for each in EQUIVALENT)]
    assert [each for each in said if not each.endswith(".") or len(each.split()) < WORDS_MIN] == []


def test_the_named_tests_exist():
    """They are files or folders with tests."""
    named = {each for mutant in MUTANTS for each in mutant.tests} | set(TESTS)
    assert [each for each in sorted(named) if not (CHECKOUT / each).exists()] == []
    assert all(each.tests for each in MUTANTS)


def test_the_order_is_that_of_the_seed():
    """Each mutant comes once. Another seed has another order, and no time leaves one."""
    first, again, other = (list(in_order(MUTANTS, seed=seed, minutes=None)) for seed in (1, 1, 2))
    assert first == again != other
    assert sorted(each.name for each in other) == sorted(each.name for each in MUTANTS)
    assert list(in_order(MUTANTS, seed=1, minutes=0)) == first[:1]


@pytest.mark.slow
@pytest.mark.usefixtures("environment")
def test_the_schema_mutants_are_those_of_the_catalogue():
    """Each takes one thing away that was there, and none is of Alembic's own table."""
    with as_administrator() as session:
        connection = session.connection()
        found = schema_mutants(connection)
        names = {each.name for each in found}
        assert len(names) == len(found)
        assert {
            "schema redemptions.uq_redemptions_number",
            "schema vouchers.pk_vouchers",
            "schema budgets.ck_budgets_spent_within_amount",
            "schema usage_entries.amount_minor not null",
        } <= names
        assert not [each for each in names if "alembic" in each]
        for each in found:
            with connection.begin_nested() as attempt:
                connection.execute(text(each.statement))
                assert each.name not in {other.name for other in schema_mutants(connection)}
                attempt.rollback()
        session.rollback()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "fate"),
    [
        (mutant("wrong"), Fate.KILLED),
        (mutant("hangs"), Fate.KILLED),
        (mutant("right"), Fate.SURVIVED),
        (mutant("wrong", old="no such word"), Fate.DOES_NOT_APPLY),
        (mutant("wrong", test="test_of_nothing.py"), Fate.DOES_NOT_RUN),
    ],
)
def test_a_mutant_is_killed_by_a_test_that_fails_or_hangs(checkout: MutatedCheckout, changed: Mutant, fate: Fate):
    """A text that is not there, and a test that is not there, are no kills. The file is restored afterwards."""
    assert checkout.fate_of(changed)[0] is fate
    assert (checkout.code / "subject.txt").read_text() == "right"


@pytest.mark.slow
def test_some_mutants_are_killed(tmp_path: Path):
    """The first of a room, which are quick. `make mutants` runs all of them."""
    checkout = MutatedCheckout(tmp_path)
    drawn = [each for each in attempts.MUTANTS if each.file == attempts.FAILED][:A_FEW]
    fates = {each.name: fate_of(each, checkout=checkout) for each in drawn}
    assert {name: fate for name, (fate, _) in fates.items() if fate is not Fate.KILLED} == {}
