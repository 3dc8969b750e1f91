"""`scrip dead-letters`: dead letters are listed, shown, sent again and discarded."""

import json
import re
from datetime import timedelta

import pytest
from redis import Redis
from sqlalchemy import text

from tasks.intake.messages import ListDeadLetters
from tasks.wire.dead_letters import give_up
from tests.command_line import running
from tests.command_line.running import Done, scrip_on_terminal
from tests.support.administrator import administrators_broker_url, as_administrator
from worker.intake.delivery import Original

SECRET = "HUSH-CODE-7d20"
HEADERS = {"id": "task-1", "task": "redemptions.redeem", "retries": 7, "eta": "2026-01-01T00:00:00+00:00", "lang": "py"}
REASON = "IntegrityError, SQLSTATE 23514"
BODY = json.dumps([[], {"request": {"project": "gigs", "code": SECRET}}, {}])


def scrip(*words: str) -> Done:
    """Run `scrip dead-letters` in this process."""
    return running.scrip("dead-letters", *words)


def scrip_alone(*words: str) -> Done:
    """Run `scrip dead-letters` as a program, which reads the environment anew."""
    return running.scrip_alone("dead-letters", *words)


def die(task_id: str, *, project: str = "gigs", task: str = "redemptions.redeem", reason: str = REASON) -> None:
    """Give up a message."""
    original = Original(
        queue="redemptions",
        headers={**HEADERS, "id": task_id, "task": task},
        body=BODY.encode(),
        content_type="application/json",
        content_encoding="utf-8",
    )
    give_up(key=(project, task_id), task=task, original=original, reason=reason, attempts=3)


@pytest.fixture
def dead_letter(database: dict[str, str]) -> str:
    """Give up a message and return its id."""
    assert database
    die("task-1")
    return "task-1"


@pytest.mark.usefixtures("database")
def test_where_nothing_was_given_up_nothing_is_listed():
    """An unknown id gives a single clear line."""
    assert scrip("list") == (0, "", "0 dead letters\n")
    for words in (("show", "task-1"), ("retry", "task-1"), ("discard", "task-1", "--yes")):
        assert scrip(*words) == (4, "", "scrip: there is no dead letter task-1\n")
    assert scrip("retry", "--all", "--yes") == (0, "", "0 dead letters sent again\n")


def test_a_list_says_why_and_never_what(dead_letter: str):
    """Only `show` prints the body."""
    code, shown, _ = scrip("list")
    assert code == 0
    (line,) = shown.splitlines()
    task_id, project, task, _, attempts, reason = line.split("\t")
    assert (task_id, project, task) == (dead_letter, "gigs", "redemptions.redeem")
    assert (attempts, reason) == ("3", "IntegrityError, SQLSTATE 23514")
    code, shown, _ = scrip("show", dead_letter)
    assert code == 0
    whole = json.loads(shown)
    assert (whole["body"], whole["headers"]) == (BODY, HEADERS)


def test_a_retry_publishes_the_very_message_as_a_new_one(dead_letter: str, database: dict[str, str]):
    """The message keeps its id, is due now, and has never been tried."""
    broker = Redis.from_url(administrators_broker_url(database["REDIS_URL"]), decode_responses=True)
    try:
        assert scrip("retry", dead_letter)[:2] == (0, "task-1\tsent again\n")
        message = json.loads(str(broker.rpop("redemptions")))
    finally:
        broker.delete("redemptions")
        broker.close()
    assert message["headers"] == HEADERS | {"retries": 0, "eta": None, "expires": None}
    assert (message["content-type"], message["content-encoding"]) == ("application/json", "utf-8")
    assert message["properties"]["correlation_id"] == dead_letter
    assert message["properties"]["delivery_info"] == {"exchange": "", "routing_key": "redemptions"}
    assert scrip("list")[1] == ""


def test_what_is_discarded_is_gone(dead_letter: str):
    """The row is deleted, if somebody says yes."""
    assert scrip("discard", dead_letter).code == 2
    assert scrip("list").output.startswith(dead_letter)
    assert scrip("discard", dead_letter, "--yes")[:2] == (0, "task-1\tdiscarded\n")
    assert scrip("list")[1] == ""


@pytest.mark.slow
def test_what_cannot_be_sent_is_kept(dead_letter: str, monkeypatch: pytest.MonkeyPatch):
    """No dead letter is lost while the broker is down."""
    with monkeypatch.context() as patch:
        patch.setenv("BROKER_URL", "redis://127.0.0.1:1/0")
        code, shown, said = scrip_alone("retry", dead_letter)
    assert (code, shown) == (2, "")
    assert said.startswith("scrip: dead letters could not be reached: ")
    assert said.count("\n") == 1
    assert scrip("list")[1].startswith(dead_letter)


@pytest.mark.slow
def test_without_an_address_nothing_was_looked_for(monkeypatch: pytest.MonkeyPatch):
    """The exit code differs from that of an unknown id."""
    monkeypatch.setenv("DATABASE_URL", "")
    said = "scrip: the environment is not as it must be: DATABASE_URL: String should have at least 1 character\n"
    for words in (
        ("list",),
        ("show", "task-1"),
        ("retry", "task-1"),
        ("retry", "--all", "-y"),
        ("discard", "task-1", "-y"),
    ):
        assert scrip_alone(*words) == (2, "", said)


@pytest.fixture
def broker(database: dict[str, str]):
    """Yield a client of the broker, which has no messages before and after."""
    with Redis.from_url(administrators_broker_url(database["REDIS_URL"]), decode_responses=True) as client:
        client.delete("redemptions", "admin")
        yield client
        client.delete("redemptions", "admin")


def grow_old(task_id: str, age: timedelta) -> None:
    """Move the death of a message into the past."""
    with as_administrator() as session:
        session.execute(
            text("UPDATE dead_letters SET died_at = died_at - :age WHERE task_id = :id"), {"age": age, "id": task_id}
        )


@pytest.fixture
def several(database: dict[str, str]) -> None:
    """Give up four messages of different kinds, the first of them two hours ago."""
    assert database
    die("one", project="acme", task="vouchers.create")
    die("two", project="")
    die("three", project="acme", reason="KeyError, tasks/vouchers/merge.py:1")
    die("four")
    grow_old("one", timedelta(hours=2))


FILTERS = [
    ((), ["four", "three", "two", "one"]),
    (("--project", "acme"), ["three", "one"]),
    (("--project", ""), ["two"]),
    (("--task", "vouchers.create"), ["one"]),
    (("--reason", "merge.py"), ["three"]),
    (("--reason", "%"), []),
    (("--older-than", "1h"), ["one"]),
    (("--older-than", "121m"), []),
    (("--project", "acme", "--reason", "SQLSTATE 23514"), ["one"]),
]


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize(("words", "task_ids"), FILTERS)
def test_filters_narrow_the_list(words: tuple[str, ...], task_ids: list[str]):
    """Together, if there are several. A variable of the environment is no filter."""
    listed = scrip("list", *words)
    counted = "1 dead letter\n" if len(task_ids) == 1 else f"{len(task_ids)} dead letters\n"
    assert ([row[0] for row in listed.rows()], listed.errors) == (task_ids, counted)
    assert [each["taskId"] for each in scrip("list", *words, "--json").lines()] == task_ids


@pytest.mark.slow
@pytest.mark.usefixtures("database")
def test_all_are_listed_in_pages():
    """With the id of the last, after which the next page begins."""
    for number in range(205):
        die(f"task-{number}")
    newest_first = [f"task-{number}" for number in reversed(range(205))]
    done = scrip("list", "--limit", "3", "--json")
    page = done.lines()
    assert [each["taskId"] for each in page] == newest_first[:3]
    assert json.loads(done.errors) == {"object": "more", "after": page[-1]["id"]}
    rest = scrip("list", "--all", "--after", page[-1]["id"], "--json")
    assert [each["taskId"] for each in rest.lines()] == newest_first[3:]
    cut_off = scrip("list", "--limit", "201")
    assert [row[0] for row in cut_off.rows()] == newest_first[:201]
    (position,) = re.findall(r"there are more: --all, or --after (dea_\w+)\n201 dead letters", cut_off.errors)
    assert ListDeadLetters(project="gigs", after=position).after
    assert [row[0] for row in scrip("list", "--after", position).rows()] == newest_first[201:]
    assert scrip("list", "--limit", "0") == (0, "", "0 dead letters\n")
    assert scrip("list", "--after", "task-3").code == 5
    assert scrip("list", "--older-than", "soon").code == 2


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize(("words", "task_ids"), FILTERS)
def test_all_that_are_selected_are_sent_again(words: tuple[str, ...], task_ids: list[str], broker: Redis):
    """Oldest first. The others stay."""
    assert scrip("retry", "--all", *words).code == 2
    assert not broker.exists("redemptions", "admin")
    done = scrip("retry", "--all", *words, "--yes", "--json")
    assert ([each["taskId"] for each in done.lines()], done.code) == (task_ids[::-1], 0)
    sent = [
        json.loads(each)["headers"]["id"] for name in ("redemptions", "admin") for each in broker.lrange(name, 0, -1)
    ]
    assert sorted(sent) == sorted(task_ids)
    left = {row[0] for row in scrip("list").rows()}
    assert left == {"one", "two", "three", "four"} - set(task_ids)


def test_more_than_a_batch_is_sent_again(broker: Redis, database: dict[str, str]):
    """A batch is a transaction."""
    assert database
    for number in range(205):
        die(f"task-{number}")
    assert scrip("retry", "--all", "--yes").errors == "205 dead letters sent again\n"
    sent = [json.loads(each)["headers"]["id"] for each in broker.lrange("redemptions", 0, -1)]
    assert sent[::-1] == [f"task-{number}" for number in range(205)]


@pytest.mark.slow
@pytest.mark.usefixtures("several")
def test_nothing_is_lost_while_the_broker_is_away(monkeypatch: pytest.MonkeyPatch):
    """The transaction of the batch is rolled back."""
    monkeypatch.setenv("BROKER_URL", "redis://127.0.0.1:1/0")
    assert scrip_alone("retry", "--all", "--yes").code == 2
    assert len(scrip("list").rows()) == 4


@pytest.mark.usefixtures("several")
def test_a_selection_is_either_ids_or_all():
    """A filter beside ids would be ignored, and no filter selects by itself."""
    for words in ((), ("one", "--all"), ("--task", "vouchers.create"), ("one", "--task", "vouchers.create")):
        assert scrip("retry", *words, "--yes").code == 2
    assert len(scrip("list").rows()) == 4


@pytest.mark.slow
@pytest.mark.usefixtures("several")
def test_on_a_terminal_the_dead_letters_are_a_table_and_sending_them_is_asked():
    """No sends nothing."""
    code, shown = scrip_on_terminal("dead-letters", "list")
    assert code == 0
    assert "merge.py:1" in shown
    assert "attempts" in shown
    code, shown = scrip_on_terminal("dead-letters", "retry", "--all", typed="n\n")
    assert (code, "again? [y/N]" in shown) == (2, True)
    assert len(scrip("list").rows()) == 4


def test_a_shown_letter_is_one_line_for_a_program(dead_letter: str):
    """The same fields, with `--json`."""
    (whole,) = scrip("show", dead_letter, "--json").lines()
    assert (whole["task_id"], whole["body"]) == (dead_letter, BODY)
    assert json.loads(scrip("show", "unknown", "--json").errors)["exitCode"] == 4
    assert scrip("list", "--task", "\udcff").code == 5
