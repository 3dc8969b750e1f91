"""Floors and rooms: import-linter reports each forbidden import, and a new task is listed nowhere."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
FLOORS = ("domain", "models", "scrip", "tasks", "worker")
NEW_TASK = '''
"""Count the vouchers of a project."""

from tasks.vouchers.messages import VoucherReference
from tasks.wire.answers import Answer
from tasks.wire.replay import AnswerTable
from tasks.intake.task import contract_task


@contract_task("vouchers.count", message=VoucherReference, first_answer=AnswerTable.READS)
def count(request: VoucherReference) -> Answer:
    """Count the vouchers of a project."""
    return {"object": "count", "project": request.project}
'''


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the code, for a change that must not stay."""
    for floor in FLOORS:
        shutil.copytree(CHECKOUT / floor, tmp_path / floor, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "docs", "clients"):
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name)
        else:
            shutil.copy(source, tmp_path)
    return tmp_path


def lint(copy: Path) -> str:
    """Return import-linter's report on the copy, empty if no contract is broken."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=copy, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode else ""


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("models/base.py", "import tasks.wire.fields", "floors"),
        ("worker/schedule.py", "import tasks.sweeps.expiry", "floors"),
        ("tasks/wire/pages.py", "import tasks.vouchers.answers", "tasks.wire serves"),
        ("tasks/codes/limits.py", "import tasks.vouchers.create", "form no circle"),
        ("models/vouchers/values.py", "import models.codes.code", "form no circle"),
        ("worker/broker/fetch_script.py", "import worker.intake.batch", "form no circle"),
        ("domain/money.py", "import pydantic", "domain is pure"),
    ],
)
def test_a_breach_is_seen(copy: Path, module: str, line: str, contract: str) -> None:
    """An import of a higher floor, a circle of rooms, and a package that a floor must not import."""
    with (copy / module).open("a") as file:
        file.write(f"\n{line}\n")
    broken = [each for each in lint(copy).splitlines() if each.endswith("BROKEN")]
    assert any(contract in each for each in broken), broken


@pytest.mark.slow
def test_a_new_task_is_a_module_and_nothing_else(copy: Path) -> None:
    """The task is registered and routed as soon as the module is in a room."""
    (copy / "tasks" / "vouchers" / "count.py").write_text(NEW_TASK)
    look = (
        "from tasks.celery import app;"
        "print(app.tasks['vouchers.count'].__doc__, app.amqp.router.route({}, 'vouchers.count')['queue'].name)"
    )
    environment = {"DATABASE_URL": "postgresql://none", "REDIS_URL": "redis://none", "PYTHONPATH": str(copy)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", look], cwd=copy, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "Count the vouchers of a project. admin\n"
    subprocess.run([sys.executable, "docs/generate.py"], cwd=copy, env=environment, check=True)
    line = "- [`vouchers.count`](#voucherscount): Count the vouchers of a project. Queue `admin`."
    assert line in (copy / "docs" / "contract.md").read_text().splitlines()
    assert "| `vouchers.count` | `admin` | `tasks/vouchers/count.py`: `count` |" in (
        copy / "docs" / "architecture.md"
    ).read_text(encoding="utf-8")
    rooms = (copy / "clients" / "python" / "src" / "scrip_client" / "rooms.py").read_text(encoding="utf-8")
    assert 'self.count = RemoteTask(sender, "vouchers.count", queue="admin")' in rooms


def trees(*floors: str) -> Iterator[tuple[str, ast.Module]]:
    """Yield the path and the syntax tree of every module of those floors."""
    for floor in floors:
        for path in (CHECKOUT / floor).rglob("*.py"):
            yield str(path.relative_to(CHECKOUT)), ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_no_string_names_a_module():
    """Celery and Alembic import what a string names, which import-linter cannot see."""
    trees_by_path = dict(trees(*FLOORS))
    modules = {path.removesuffix(".py").replace("/", ".") for path in trees_by_path}
    named = {
        (path, node.value)
        for path, tree in trees_by_path.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.split(r":|\.(?=[A-Z])", node.value)[0] in modules
    }
    assert named == set()


def test_domain_imports_the_standard_library_only():
    """Also a package that pyproject.toml does not forbid by name."""
    imported = {
        name.partition(".")[0]
        for _, tree in trees("domain")
        for node in ast.walk(tree)
        for name in (
            [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - sys.stdlib_module_names == {"domain"}


def test_every_room_of_tasks_is_forbidden_to_the_wire():
    """A new room has to be added to the contract."""
    contracts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (forbidden,) = (set(each["forbidden_modules"]) for each in contracts if each["name"].startswith("tasks.wire"))
    rooms = {each.parent.name for each in (CHECKOUT / "tasks").glob("*/__init__.py")} - {"wire"}
    assert {f"tasks.{room}" for room in rooms} | {"tasks.celery"} <= forbidden
