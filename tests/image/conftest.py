"""The image of the Dockerfile, built once, and a base image made from Debian's packages."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.images import PROGRAMS, Image, Images
from tests.image.package_index import as_volumes
from tests.other_servers.packages import install, missing_packages

CHECKOUT = Path(__file__).parents[2]


def copy_checkout(folder: Path) -> None:
    """Copy the files that git knows, or would add. Only their owner may read the copies, as with a umask of 077."""
    words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(words, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (CHECKOUT / name).is_file():
            copy = folder / name
            copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(CHECKOUT / name, copy)
            copy.chmod(0o600)


@pytest.fixture(scope="session")
def images() -> Iterator[Images]:
    """Yield a place for images, or skip the test."""
    missing = missing_packages(PROGRAMS)
    if reason := install(missing) if missing else None:
        pytest.skip(reason)
    images = Images(Path(tempfile.mkdtemp(prefix="scrip-image-")))
    yield images
    images.remove()


@pytest.fixture(scope="session")
def base(images: Images) -> str:
    """Make an image under the name of the Dockerfile's base, and return that name."""
    (name,) = {each[1] for each in re.finditer(r"^FROM (\S+)", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)}
    images.make_debian(name, release=name.rpartition("-")[2])
    return name


@pytest.fixture(scope="session")
def pip_options(images: Images) -> list[str]:
    """Return the options that let pip in a container install packages as pip here does."""
    return as_volumes(images.folder)


@pytest.fixture(scope="session")
def image(images: Images, base: str, pip_options: list[str]) -> Image:  # noqa: ARG001 - the Dockerfile names the base
    """Build the image from a checkout with a file that nobody must find in it."""
    context = images.folder / "context"
    copy_checkout(context)
    (context / ".env").write_text("POSTGRES_PASSWORD=secret\n")
    images.build(context, name="scrip", options=pip_options)
    return images.mounted("scrip")
