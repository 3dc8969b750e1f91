"""`scrip up` with the project's own Procfile."""

import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil
import psycopg
import pytest
from celery import Celery

from tests.documents.blocks import CHECKOUT, blocks
from tests.stack.running import DEADLINE_SECONDS, Up, lives
from tests.support.waiting import eventually
from worker.queues import QUEUES

pytestmark = pytest.mark.slow

# The ids and instants of an answer, which differ on every stack.
VARYING = re.compile(r"(?<=_)[0-9a-z]{26}\b|\d{4}-\d\d-\d\dT[\d:.]+Z")
# Guides that need nothing but the stack and the tutorial's client.
GUIDES = [f"docs/how-to/{name}.md" for name in ("checkout", "plan-changes", "refunds")]
URLS = ("DATABASE_URL", "REDIS_URL", "FLOWER_URL", "METRICS_URL")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Run the whole stack while the tests of the module run. No process may be left afterwards."""
    data_folder = tmp_path_factory.mktemp("whole") / "home"
    with Up(data_folder) as up:
        yield up.wait_ready()
        assert up.end(signal.SIGTERM) == 0
        assert not up.left()
        assert not (data_folder / "env").exists()


def status_of(url: str, *, credentials: str, asked: tuple[str, str] = ("GET", "/")) -> int:
    """Return the status of a web server's answer to a request with those credentials."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    headers = {"Authorization": f"Basic {b64encode(credentials.encode()).decode()}"} if credentials else {}
    try:
        connection.request(*asked, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_env_file_says_all_that_a_caller_needs(whole: Up) -> None:
    """The file has the URLs, and the path of beat's schedule."""
    users = {"DATABASE_OWNER_URL", "DATABASE_READER_URL", "PRODUCER_REDIS_URL"}
    assert set(whole.environment) == {*URLS, *users, "SCRIP_BEAT_SCHEDULE_FILE"}
    assert Path(whole.environment["SCRIP_BEAT_SCHEDULE_FILE"]).parent == whole.data_folder


def test_the_migrations_have_run(whole: Up) -> None:
    """They run before any worker starts."""
    with psycopg.connect(whole.environment["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def test_the_readmes_snippet_gets_the_readmes_answer(whole: Up, tmp_path: Path) -> None:
    """A newcomer pastes it as it stands, twice: the second answer is the first."""
    (shown,) = blocks("README.md", "json")
    first, second = (pasted(whole, tmp_path, page="README.md") for _ in range(2))
    assert first == second
    assert json.loads(VARYING.sub("…", first)) == json.loads(VARYING.sub("…", shown))


def test_the_contracts_first_call_is_answered(whole: Up, tmp_path: Path) -> None:
    """A reader of the README pastes it afterwards, with the addresses in the environment."""
    pasted(whole, tmp_path, page="README.md")
    assert pasted(whole, tmp_path, page="docs/contract.md") == "accepted\n"


def test_a_call_without_a_queue_is_answered_too(whole: Up, tmp_path: Path) -> None:
    """The same call by a reader who leaves the queue out, which many a client does."""
    pasted(whole, tmp_path, page="README.md")
    assert pasted(whole, tmp_path, page="docs/contract.md", without=', queue="redemptions"') == "accepted\n"


def test_the_tutorial_prints_what_it_says(whole: Up, tmp_path: Path) -> None:
    """A newcomer pastes each block into Python's own prompt, and then runs the audit."""
    page = "docs/start.md"
    up, python, audit = blocks(page, "sh")
    assert up == "make up\n"
    assert typed(whole, tmp_path, *blocks(page, "python"), command=python) == "".join(blocks(page, "text"))
    audited = subprocess.run(["/bin/sh", "-eu", "-c", audit], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "0 violations" in audited.stdout


@pytest.mark.parametrize("page", GUIDES)
def test_a_guide_prints_what_it_says(page: str, whole: Up, tmp_path: Path) -> None:
    """A developer pastes the guide's blocks after the tutorial's first."""
    client = blocks("docs/start.md", "python")[0]
    assert typed(whole, tmp_path, client, *blocks(page, "python")) == "".join(blocks(page, "text"))


def test_the_guide_for_python_prints_what_it_says(whole: Up, tmp_path: Path) -> None:
    """Its reader has run the README's first redemption before."""
    page = "docs/how-to/python.md"
    pasted(whole, tmp_path, page="README.md")
    assert typed(whole, tmp_path, *blocks(page, "python")) == "".join(blocks(page, "text"))


@pytest.mark.parametrize("release", ["celery[redis]", "celery[redis]==5.5.0"])
def test_the_python_client_works_alone_from_its_wheel(release: str, whole: Up, tmp_path: Path) -> None:
    """In a fresh environment without Scrip's modules, on the newest and the oldest Celery, as its README says."""
    pasted(whole, tmp_path, page="README.md")
    shutil.copytree(CHECKOUT / "clients" / "python", tmp_path / "source", ignore=shutil.ignore_patterns("*.egg-info"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "."]
    subprocess.run([*build, "--wheel-dir", tmp_path], cwd=tmp_path / "source", check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert "scrip_client/py.typed" in zipfile.ZipFile(wheel).namelist()
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "alone"], check=True)
    python = str(tmp_path / "alone" / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, wheel, release], check=True)
    page = "clients/python/README.md"
    program = [python, "-I", "-c", "".join(blocks(page, "python"))]
    done = subprocess.run(program, env=whole.environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", "".join(blocks(page, "text")))


def typed(whole: Up, folder: Path, *snippets: str, command: str = ".venv/bin/python") -> str:
    """Type snippets into an interactive Python where the stack runs, and return what it prints."""
    link(folder, whole)
    text = "".join(f"{each}\n" for each in snippets)
    shell = ["/bin/sh", "-eu", "-c", f"set -a; . .scrip/env; {command.strip()} -iqW error"]
    prompted = subprocess.run(shell, cwd=folder, input=text, capture_output=True, text=True, check=True)
    # The prompts, and no traceback.
    assert set(prompted.stderr) <= set(">. \n"), prompted.stderr
    return prompted.stdout


def link(folder: Path, whole: Up) -> None:
    """Make a folder look like the checkout in which the stack runs."""
    for name, target in ((".scrip", whole.data_folder), (".venv", sys.prefix)):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)


def pasted(whole: Up, folder: Path, *, page: str, without: str = "") -> str:
    """Run the Python of a page in a checkout where the stack runs, and return what it prints."""
    (snippet,) = blocks(page, "python")
    assert without in snippet
    link(folder, whole)
    script = 'set -a; . .scrip/env; exec "$0" -W error -c "$1"'
    command = ["/bin/sh", "-eu", "-c", script, sys.executable, snippet.replace(without, "")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_every_worker_answers(whole: Up) -> None:
    """After `ready`, a task sent now is executed."""
    assert who_answers(whole, at_most=4) == {"redemptions", "billing", "admin", "sweeps"}


def who_answers(whole: Up, *, at_most: int) -> set[str]:
    """Return the names of the workers that answer a ping."""
    with Celery(broker=whole.environment["REDIS_URL"], set_as_current=False) as app:
        replies = app.control.ping(timeout=5, limit=at_most)
    return {name.partition("@")[0] for reply in replies for name in reply}


def test_beat_runs(whole: Up) -> None:
    """Beat answers no requests, so only the process can be checked."""
    assert whole.child("beat").is_running()


def test_flower_lets_nobody_in_without_its_password(whole: Up) -> None:
    """The URL in the env file has the password. The line on the console does not."""
    url = whole.environment["FLOWER_URL"]
    parts = urlsplit(url)
    assert status_of(url, credentials="") == http.HTTPStatus.UNAUTHORIZED
    assert status_of(url, credentials=f"{parts.username}:wrong") == http.HTTPStatus.UNAUTHORIZED
    assert status_of(url, credentials=f"{parts.username}:{parts.password}") == http.HTTPStatus.OK
    assert f"Flower: http://127.0.0.1:{parts.port} (user and password: FLOWER_URL in {whole.data_folder / 'env'})" in (
        whole.output.splitlines()
    )


def test_the_metrics_have_the_counts_of_every_worker(whole: Up) -> None:
    """The exporter reads the folder in which they count, and reaches both servers."""
    with urlopen(whole.environment["METRICS_URL"], timeout=30) as answer:  # noqa: S310 - our own address
        page = answer.read().decode()
    assert {"scrip_database_up 1.0", "scrip_broker_up 1.0", "scrip_counters_up 1.0"} <= set(page.splitlines())
    assert len(list((whole.data_folder / "metrics").glob("*.lock"))) >= len(QUEUES)
    assert f"Metrics: {whole.environment['METRICS_URL']}" in whole.output.splitlines()


@pytest.mark.parametrize("path", ["/api/task/send-task/redemptions.redeem", "/api/worker/shutdown/admin@anywhere"])
def test_flower_looks_and_does_not_touch(whole: Up, path: str) -> None:
    """The password does not allow changes either."""
    parts = urlsplit(whole.environment["FLOWER_URL"])
    credentials = f"{parts.username}:{parts.password}"
    status = status_of(whole.environment["FLOWER_URL"], credentials=credentials, asked=("POST", path))
    assert status == http.HTTPStatus.METHOD_NOT_ALLOWED


def test_no_process_listens_to_other_machines(whole: Up) -> None:
    """Every port is on the loopback interface."""
    ports = {urlsplit(whole.environment[name]).port for name in URLS}
    listening = {tuple(each.laddr) for each in psutil.net_connections("inet") if each.status == psutil.CONN_LISTEN}
    assert {address for address in listening if address[1] in ports} == {("127.0.0.1", port) for port in ports}


def test_no_password_is_printed_or_on_a_command_line(whole: Up) -> None:
    """Consoles are shared and logged, and every user of a machine can read every command line."""
    passwords = [found for name in URLS if (found := urlsplit(whole.environment[name]).password)]
    assert len(passwords) == len(URLS) - 1
    lines = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    assert not [line for line in [*lines, whole.output] if any(password in line for password in passwords)]


def test_a_worker_that_dies_takes_its_children_with_it_and_is_restarted(whole: Up) -> None:
    """With the old worker's children still alive, there would be twice as many."""
    worker = whole.child("redemptions@%h")
    children = worker.children(recursive=True)
    assert children
    worker.kill()
    whole.wait_for("redemptions died (exit code -9), restarted")
    assert not [child for child in children if lives(child)]
    eventually(lambda: "redemptions" in who_answers(whole, at_most=4), seconds=DEADLINE_SECONDS)
    assert len(whole.child("redemptions@%h").children(recursive=True)) == len(children)
