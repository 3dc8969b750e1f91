"""The image, without a container engine: the files that .dockerignore lets in, the packages of requirements.txt."""

import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
# Runs before any program, and makes the packages of the development lock impossible to import.
NOT_INSTALLED = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""


def locked(name: str) -> set[str]:
    """Return the packages in a lock file."""
    return {each.lower() for each in re.findall(r"^([A-Za-z0-9_.-]+)==", (CHECKOUT / name).read_text(), re.MULTILINE)}


def is_let_in(path: str) -> bool:
    """Return whether .dockerignore lets the file into the build context. The last matching rule decides."""
    rules = [line for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    let_in = True
    for rule in rules:
        pattern = rule.removeprefix("!")
        if fnmatch(path, pattern) or fnmatch(path, f"{pattern}/*"):
            let_in = rule.startswith("!")
    return let_in


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the image's files, and a site folder that hides packages missing from the image."""
    folder = tmp_path_factory.mktemp("image")
    for entry in filter(lambda each: is_let_in(each.name), CHECKOUT.iterdir()):
        for path in entry.rglob("*.*") if entry.is_dir() else [entry]:
            name = path.relative_to(CHECKOUT)
            if is_let_in(str(name)) and path.is_file() and "__pycache__" not in name.parts:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(path.read_bytes())
    hidden = {each.replace("-", "_") for each in locked("requirements-dev.txt") - locked("requirements.txt")}
    # This package's module has another name.
    hidden |= {"dotenv"} if "python_dotenv" in hidden else set()
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(NOT_INSTALLED.format(names=hidden))
    return folder


def run(image: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the image's folder, with no other modules of the checkout."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{image / 'site'}:{image}", **variables}
    return subprocess.run(
        [sys.executable, "-P", *words], cwd=image, env=environment, capture_output=True, text=True, check=False
    )


def test_the_image_has_no_demo_and_no_embedded_stack(image: Path) -> None:
    """Production runs neither, and needs no test."""
    assert {each.name for each in (image / "scrip").iterdir()} == {"__init__.py", "cli.py", "commands", "exporter"}
    assert {each.name for each in image.iterdir() if each.is_dir()} == {
        "domain",
        "migrations",
        "models",
        "scrip",
        "site",
        "tasks",
        "worker",
    }
    assert {each.name for each in image.iterdir() if each.is_file()} == {
        "README.md",
        "alembic.ini",
        "pyproject.toml",
        "requirements.txt",
    }


def test_the_build_context_starts_empty() -> None:
    """Whatever else lies in a checkout, such as `.env` or `.scrip`, stays outside."""
    first, *rest = (line for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line[0] != "#")
    assert first == "*"
    assert {line.removeprefix("!") for line in rest if line.startswith("!")} == {
        *("README.md", "alembic.ini", "pyproject.toml", "requirements.txt"),
        *("domain", "migrations", "models", "scrip", "tasks", "worker"),
    }


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_development_command_ends_with_one_line(image: Path, command: str) -> None:
    """The line says how to get the missing packages, and there is no traceback."""
    done = run(image, "-m", "scrip.cli", command)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "make" in done.stderr


@pytest.mark.slow
def test_every_module_of_the_image_can_be_imported(image: Path) -> None:
    """No production module needs a package that only the development lock has."""
    names = [
        ".".join(path.relative_to(image).with_suffix("").parts)
        for folder in ("domain", "models", "scrip", "tasks", "worker")
        for path in (image / folder).rglob("*.py")
        if path.name not in {"__init__.py", "flower.py"}
    ]
    done = run(image, "-c", "import " + ", ".join(sorted(names)))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.usefixtures("database")
def test_the_audit_needs_the_database_only(image: Path) -> None:
    """The audit does not need the address of a broker."""
    done = run(image, "-m", "scrip.cli", "audit", DATABASE_URL=os.environ["DATABASE_URL"])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" checks, 0 violations\n")
