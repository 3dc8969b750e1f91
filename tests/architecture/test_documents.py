"""The documents say what the code says: generated parts, lists of files, links and paths."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PAGES = sorted([CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", *(CHECKOUT / "docs").glob("*.md")])
FLOORS = ("domain", "models", "tasks", "worker", "scrip")
PATH = re.compile(r"`((?:domain|models|tasks|worker|scrip|tests|migrations|benchmarks|docs)/[\w./]+\.(?:py|sql|md))`")


def part(name: str) -> str:
    """Return a part of the page on architecture, between its two comments."""
    page = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {name} -->(.*?)<!-- /{name} -->", page, re.DOTALL)
    assert found
    return found[1]


def files_that_mention(text: str) -> set[str]:
    """Return the production files with that text in any spelling of case and underscores."""
    wanted = text.replace("_", "").lower()
    return {
        str(path.relative_to(CHECKOUT))
        for floor in FLOORS
        for path in (CHECKOUT / floor).rglob("*.py")
        if wanted in path.read_text(encoding="utf-8").replace("_", "").lower()
    }


def test_the_generated_parts_are_as_the_code_says():
    """Settings, the contract's list of tasks, and the table of tasks; `make docs` writes them."""
    command = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(
        command, cwd=CHECKOUT, env={"PYTHONPATH": str(CHECKOUT)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_a_restriction_touches_the_files_that_the_page_lists():
    """The minimum subtotal is one. The demo knows of none, and of the adapters only one."""
    listed = set(PATH.findall(part("restriction")))
    assert files_that_mention("minimum_subtotal") == listed


def test_a_reason_touches_the_files_that_the_page_lists():
    """Its member of the enumeration is all that the code needs."""
    assert files_that_mention("code_not_for_customer") == set(PATH.findall(part("reason")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_and_link_of_a_page_leads_somewhere(page: Path):
    """To a file of the checkout, or to a heading of the page."""
    text = page.read_text(encoding="utf-8")
    missing = [path for path in PATH.findall(text) if not (CHECKOUT / path).exists()]
    headings = {
        re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-")
        for each in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = link.partition("#")
        if link.startswith("http"):
            continue
        if target and not (page.parent / target).exists():
            missing.append(link)
        if not target and anchor not in headings:
            missing.append(link)
    assert missing == []


def test_the_readme_stays_short():
    """Details have pages of their own."""
    assert len((CHECKOUT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
