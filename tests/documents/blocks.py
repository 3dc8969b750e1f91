"""The fenced blocks of the READMEs and of docs/, as a reader copies them."""

import re
from pathlib import Path
from textwrap import dedent

CHECKOUT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "clients/python/README.md",
    *sorted(str(each.relative_to(CHECKOUT)) for each in (CHECKOUT / "docs").rglob("*.md")),
)
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of a page in that language, in order. A block without a language has an empty one."""
    return [dedent(each["text"]) for each in _all(page) if each["language"] == language]


def languages(page: str) -> set[str]:
    """Return the languages of the blocks of a page."""
    return {each["language"] for each in _all(page)}


def _all(page: str) -> list[re.Match[str]]:
    return list(BLOCK.finditer((CHECKOUT / page).read_text(encoding="utf-8")))
