"""The guides for clients in other languages, each copied from its page and run as a program of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from scrip.stack.listener import free_port
from tests.documents.blocks import CHECKOUT, blocks
from tests.end_to_end.programs import Worker
from tests.other_servers.packages import install, missing_packages
from tests.stack.running import DEADLINE_SECONDS, listens
from tests.support.requests import create_voucher
from tests.support.waiting import eventually

pytestmark = pytest.mark.scale

PROGRAMS = {"redis-cli": "redis-tools", "node": "nodejs", "npm": "npm", "curl": "curl"}
# A Django project, besides the files of the page.
SETTINGS = """
SECRET_KEY = "of a test"
INSTALLED_APPS = ["shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
ORDER = '{"customer": "cus_1", "subscription": "sub_1", "code": "summer"}'
SENT_BY_THE_VIEW = f"""
import django; django.setup()
from django.test import RequestFactory
from shop.views import checkout
assert checkout(RequestFactory().post("/", {ORDER})).status_code == 202
"""
NEVER_SENT = f"import django; django.setup(); from shop.models import Order; Order.objects.create(**{ORDER})"
BAD_ORDER = ORDER.replace("cus_1", "")
SENT_WITH_A_BAD_FIELD = SENT_BY_THE_VIEW.replace(ORDER, BAD_ORDER)
OUTCOMES = """
import django; django.setup()
from shop.models import Order
print(list(Order.objects.order_by("id").values_list("outcome", "reason")))
"""


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    """Install the programs that the pages use."""
    missing = missing_packages(PROGRAMS)
    reason = install(missing) if missing else None
    assert reason is None, reason


def printed(command: Sequence[str], *, folder: Path, variables: Mapping[str, str]) -> str:
    """Run a program beside a worker, and return what it prints."""
    create_voucher(project="acme", code="SUMMER")
    with Worker(folder=folder / "worker", environment=variables) as worker:
        worker.wait_ready()
        environment = {**os.environ, **variables}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_shell_gets_its_answer(database: dict[str, str], tmp_path: Path) -> None:
    """The result has the fields of the page, and the answer its values."""
    script = "".join(blocks("docs/how-to/any-language.md", "sh"))
    (shown,) = map(json.loads, blocks("docs/how-to/any-language.md", "json"))
    result = json.loads(printed(["/bin/sh", "-eu", "-c", script], folder=tmp_path, variables=database))
    assert set(result) == set(shown)
    assert result["status"] == "SUCCESS"
    varying = {"id", "voucher", "discount", "decidedAt"}
    assert {name for name in shown["result"] if shown["result"][name] != result["result"][name]} == varying


def test_node_gets_its_answer(database: dict[str, str], tmp_path: Path) -> None:
    """The example has the page's module and program as they stand."""
    example = CHECKOUT / "examples" / "clients" / "node"
    texts = [(example / name).read_text(encoding="utf-8") for name in ("scrip.mjs", "redeem.mjs")]
    assert texts == blocks("docs/how-to/node.md", "js")
    shutil.copytree(example, tmp_path, dirs_exist_ok=True)
    npm = shutil.which("npm")
    assert npm
    subprocess.run([npm, "install", "--silent"], cwd=tmp_path, check=True, capture_output=True)
    assert printed(["node", "redeem.mjs"], folder=tmp_path, variables=database) == "accepted\n"


def test_fastapi_gets_its_answer(database: dict[str, str], tmp_path: Path) -> None:
    """The service runs as its page says, and curl sends the order."""
    (service,) = blocks("docs/how-to/fastapi.md", "python")
    (order,) = blocks("docs/how-to/fastapi.md", "sh")
    (shown,) = blocks("docs/how-to/fastapi.md", "json")
    (tmp_path / "service.py").write_text(service)
    port = free_port()
    create_voucher(project="acme", code="SUMMER")
    command = [sys.executable, "-m", "uvicorn", "service:app", "--port", str(port)]
    environment = {**os.environ, **database, "SERVICE": f"http://127.0.0.1:{port}"}
    with (
        Worker(folder=tmp_path / "worker", environment=database) as worker,
        running(command, folder=tmp_path, environment=environment),
    ):
        worker.wait_ready()
        eventually(lambda: listens(environment["SERVICE"]), seconds=DEADLINE_SECONDS)
        done = subprocess.run(
            ["/bin/sh", "-eu", "-c", order], env=environment, capture_output=True, text=True, check=True
        )
    assert json.loads(done.stdout) == json.loads(shown)


def test_django_redeems_after_commit(database: dict[str, str], tmp_path: Path) -> None:
    """An order gets its outcome by a callback. One whose message was never sent gets it after the command."""
    project = tmp_path / "project"
    lay_out_django(project)
    create_voucher(project="acme", code="SUMMER")
    environment = {**os.environ, **database, "DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(project)}

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=project, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    run("-m", "django", "migrate", "--run-syncdb")
    shop = [sys.executable, "-m", "celery", "-A", "shop", "worker", "--queues", "shop", "--pool", "solo"]
    allowing = database | {"SCRIP_ALLOW_CANVAS": "true"}
    with (
        Worker(folder=tmp_path / "worker", environment=allowing) as worker,
        running(shop, folder=project, environment=environment),
    ):
        worker.wait_ready()
        run("-c", SENT_BY_THE_VIEW)
        eventually(lambda: run("-c", OUTCOMES) == "[('accepted', None)]\n", seconds=DEADLINE_SECONDS)
        run("-c", NEVER_SENT)
        run("-m", "django", "redeem_again")
        eventually(
            lambda: run("-c", OUTCOMES) == "[('accepted', None), ('refused', 'already_applied')]\n",
            seconds=DEADLINE_SECONDS,
        )
        run("-c", SENT_WITH_A_BAD_FIELD)
        eventually(lambda: "('failed', None)" in run("-c", OUTCOMES), seconds=DEADLINE_SECONDS)


def lay_out_django(project: Path) -> None:
    """Write the files of the page, and the few that every Django project has."""
    models, celery, views, command = blocks("docs/how-to/django.md", "python")
    commands = project / "shop" / "management" / "commands"
    commands.mkdir(parents=True)
    for package in (project / "shop", commands.parent, commands):
        (package / "__init__.py").touch()
    (project / "shop" / "models.py").write_text(models)
    (project / "shop" / "celery.py").write_text(celery)
    (project / "shop" / "views.py").write_text(views)
    (commands / "redeem_again.py").write_text(command)
    (project / "settings.py").write_text(SETTINGS)


@contextmanager
def running(command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Run a program meanwhile, and stop it."""
    with (folder / "output").open("wb") as output:
        program = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        program.terminate()
        program.wait(DEADLINE_SECONDS)
