"""Images in a folder of their own, by buildah and debootstrap, of which nothing is left afterwards."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.other_servers.server_program import path_of

# Each program with its Debian package.
PROGRAMS = {"debootstrap": "debootstrap", "buildah": "buildah"}
# The Dockerfile calls `python`, and makes a virtual environment.
DEBIAN_PACKAGES = ("python3", "python3-venv", "python-is-python3")


@dataclass(frozen=True)
class Image:
    """The files of an image, and the configuration with which an engine would start it."""

    root: Path
    user: int
    working_folder: str
    environment: Mapping[str, str]

    @property
    def group(self) -> int:
        """The main group of the user, as the image's own list of users has it."""
        users = [line.split(":") for line in (self.root / "etc" / "passwd").read_text().splitlines()]
        return next((int(fields[3]) for fields in users if int(fields[2]) == self.user), 0)


class Images:
    """buildah with its images in the folder. Each step of a build runs in a changed root, without an engine."""

    def __init__(self, folder: Path) -> None:
        """Describe the folder."""
        self.folder = folder
        self._buildah = ("buildah", "--root", str(folder / "images"), "--runroot", str(folder / "run"))

    def make_debian(self, name: str, *, release: str) -> None:
        """Make an image of a small Debian of that release. Only root can do this."""
        container, root = self._container("scratch")
        debootstrap = path_of("debootstrap")
        assert debootstrap is not None
        options = ("--variant=minbase", f"--include={','.join(DEBIAN_PACKAGES)}")
        succeed(debootstrap, *options, release, root, mirror())
        self.buildah("commit", container, name)
        self.buildah("rm", container)

    def build(self, context: Path, *, name: str, options: Sequence[str]) -> None:
        """Build the image of a Dockerfile."""
        self.buildah("build", "--isolation", "chroot", "--pull-never", *options, "--tag", name, context)

    def run(self, name: str, script: str, *, options: Sequence[str]) -> str:
        """Run a script of the shell on an image's files, and return its output."""
        container, _ = self._container(name)
        output = self.buildah("run", "--isolation", "chroot", *options, container, "--", "sh", "-euc", script)
        self.buildah("rm", container)
        return output

    def mounted(self, name: str) -> Image:
        """Mount the files of an image, and return them with its configuration."""
        _, root = self._container(name)
        config: Mapping[str, Any] = json.loads(self.buildah("inspect", "--type", "image", name))["OCIv1"]["config"]
        environment = dict(each.split("=", 1) for each in config["Env"])
        return Image(root, int(config["User"]), config["WorkingDir"], environment)

    def buildah(self, *words: str | Path) -> str:
        """Run a command of buildah, and fail with its output if it fails."""
        return succeed(*self._buildah, *words)

    def remove(self) -> None:
        """Remove everything: images, mounts and the folder."""
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in sorted((each for each in mounts if each.startswith(f"{self.folder}/")), reverse=True):
            succeed("umount", mount)
        shutil.rmtree(self.folder)

    def _container(self, name: str) -> tuple[str, Path]:
        container = self.buildah("from", "--pull-never", name).strip()
        return container, Path(self.buildah("mount", container).strip())


def mirror() -> str:
    """Return the mirror from which this machine's apt installs Debian's packages."""
    which = ("Created-By: Packages", "Origin: Debian", "Label: Debian")
    return succeed("apt-get", "indextargets", "--format", "$(REPO_URI)", *which).splitlines()[0]


def succeed(*words: str | Path) -> str:
    """Run a program and return its output, or fail with the end of the output."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout[-5000:]}{done.stderr[-5000:]}"
    return done.stdout
