"""`scrip up` with the project's own Procfile."""

import http.client
import signal
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from celery import Celery

from tests.stack.running import Up, eventually, lives

URLS = ("DATABASE_URL", "REDIS_URL", "FLOWER_URL")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """This fixture will be the whole stack, ready, while the module's tests run; nothing may be left of it then."""
    home = tmp_path_factory.mktemp("whole") / "home"
    with Up(home) as up:
        yield up.wait_ready()
        assert up.end(signal.SIGTERM) == 0
        assert not up.left()
        assert not (home / "env").exists()


def status_of(url: str, *, credentials: str, asked: tuple[str, str] = ("GET", "/")) -> int:
    """This function will return the status with which a web server answers to those credentials."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    headers = {"Authorization": f"Basic {b64encode(credentials.encode()).decode()}"} if credentials else {}
    try:
        connection.request(*asked, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_env_file_says_all_that_a_caller_needs(whole: Up) -> None:
    """The URLs, and where beat keeps its times."""
    assert set(whole.environment) == {*URLS, "SCRIP_BEAT_SCHEDULE_FILE"}
    assert Path(whole.environment["SCRIP_BEAT_SCHEDULE_FILE"]).parent == whole.home


def test_the_migrations_have_run(whole: Up) -> None:
    """Before any worker started."""
    with psycopg.connect(whole.environment["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def test_every_worker_answers(whole: Up) -> None:
    """Ready means that a task sent now is worked on."""
    assert who_answers(whole, at_most=4) == {"redemptions", "billing", "admin", "sweeps"}


def who_answers(whole: Up, *, at_most: int) -> set[str]:
    """This function will return the names of the workers that answer a ping."""
    with Celery(broker=whole.environment["REDIS_URL"], set_as_current=False) as app:
        replies = app.control.ping(timeout=5, limit=at_most)
    return {name.partition("@")[0] for reply in replies for name in reply}


def test_beat_runs(whole: Up) -> None:
    """It is the one part that nobody can ask."""
    assert whole.part("beat").is_running()


def test_flower_lets_nobody_in_without_its_password(whole: Up) -> None:
    """The URL in the env file carries it; the line on the console does not."""
    url = whole.environment["FLOWER_URL"]
    parts = urlsplit(url)
    assert status_of(url, credentials="") == http.HTTPStatus.UNAUTHORIZED
    assert status_of(url, credentials=f"{parts.username}:wrong") == http.HTTPStatus.UNAUTHORIZED
    assert status_of(url, credentials=f"{parts.username}:{parts.password}") == http.HTTPStatus.OK
    assert f"Flower: http://127.0.0.1:{parts.port} (user and password: FLOWER_URL in {whole.home / 'env'})" in (
        whole.output.splitlines()
    )


@pytest.mark.parametrize("path", ["/api/task/send-task/redemptions.redeem", "/api/worker/shutdown/admin@anywhere"])
def test_flower_looks_and_does_not_touch(whole: Up, path: str) -> None:
    """Not even for those who have its password."""
    parts = urlsplit(whole.environment["FLOWER_URL"])
    credentials = f"{parts.username}:{parts.password}"
    status = status_of(whole.environment["FLOWER_URL"], credentials=credentials, asked=("POST", path))
    assert status == http.HTTPStatus.FORBIDDEN


def test_no_part_listens_to_other_machines(whole: Up) -> None:
    """Each port is on the loopback interface."""
    ports = {urlsplit(whole.environment[name]).port for name in URLS}
    listening = {tuple(each.laddr) for each in psutil.net_connections("inet") if each.status == psutil.CONN_LISTEN}
    assert {address for address in listening if address[1] in ports} == {("127.0.0.1", port) for port in ports}


def test_no_password_is_printed_or_on_a_command_line(whole: Up) -> None:
    """Consoles are shared and logged, and every user of a machine can read every command line."""
    passwords = [urlsplit(whole.environment[name]).password or "none" for name in URLS]
    lines = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    assert not [line for line in [*lines, whole.output] if any(password in line for password in passwords)]


def test_a_worker_that_dies_takes_its_children_with_it_and_is_restarted(whole: Up) -> None:
    """A new worker beside the old one's children would be twice as many."""
    worker = whole.part("redemptions@%h")
    children = worker.children(recursive=True)
    assert children
    worker.kill()
    whole.wait_for("redemptions died (exit code -9), restarted")
    assert not [child for child in children if lives(child)]
    eventually(lambda: "redemptions" in who_answers(whole, at_most=4))
    assert len(whole.part("redemptions@%h").children(recursive=True)) == len(children)
