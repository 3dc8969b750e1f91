"""The suite's quick part on the Python of the image, in a virtual environment from the development lock."""

import re

import pytest

from tests.image.conftest import copy_checkout
from tests.image.images import Images, succeed

# Some of these folders need Postgres and Valkey.
QUICK = ("tests/domain", "tests/wire", "tests/settings", "tests/contract", "tests/redemptions")
# Postgres does not run as root, and needs a user with a name.
USER = "nobody"
SCRIPT = f"""
python -m venv .venv
.venv/bin/pip install --quiet --no-compile --require-hashes --only-binary :all: -r requirements-dev.txt
.venv/bin/pip install --quiet --no-deps --no-build-isolation -e .
.venv/bin/python -c 'import sys; print("Python", *sys.version_info[:2])'
.venv/bin/pytest {" ".join(QUICK)}
"""


@pytest.mark.scale
def test_the_suites_quick_part_passes_on_the_images_python(images: Images, base: str, pip_options: list[str]) -> None:
    """A warning is an error there too, such as one about something that Python will remove."""
    checkout = images.folder / "checkout"
    copy_checkout(checkout)
    succeed("chown", "--recursive", USER, checkout)
    place = ("--user", USER, "--workingdir", "/scrip", "--env", "HOME=/scrip", "--volume", f"{checkout}:/scrip")
    output = images.run(base, SCRIPT, options=[*place, *pip_options])
    assert "Python 3 13\n" in output
    assert re.search(r"^\d{3,} passed", output, re.MULTILINE), output
    assert " failed" not in output
