"""The configuration of pip on this machine, for the pip in a container."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

INSIDE = "/etc/pip.conf"
# The rest of a configuration could change what is installed, and where.
PASSED_ON = {"cert", "extra-index-url", "find-links", "index-url", "no-index", "proxy", "timeout", "trusted-host"}


def configured() -> dict[str, str]:
    """Return the options that lead to an index. One in the environment takes precedence over one in a file."""
    words = (sys.executable, "-m", "pip", "config", "list")
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    pairs = [line.partition("=")[::2] for line in listed.splitlines()]
    by_precedence = sorted(pairs, key=lambda pair: pair[0].startswith(":env:"))
    options = {name.rpartition(".")[2]: value.strip("'") for name, value in by_precedence}
    return {name: value for name, value in options.items() if name in PASSED_ON}


def mounted_folders(options: Mapping[str, str]) -> set[Path]:
    """Return the folders of this machine that the options name, and the one with its certificates."""
    words = " ".join(options.values()).split()
    # The pages of an index link to files beside it.
    indexes = {Path(word.removeprefix("file://")).parent for word in words if word.startswith("file://")}
    named = {Path(word) for word in words if word.startswith("/")}
    folders = {path if path.is_dir() else path.parent for path in named}
    return {folder for folder in indexes | folders | {Path("/etc/ssl/certs")} if folder.is_dir()}


def as_volumes(folder: Path) -> list[str]:
    """Write the configuration to the folder, and return the options that mount it in a container, read-only."""
    options = configured()
    file = folder / "pip.conf"
    file.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in options.items()))
    file.chmod(0o644)
    mounts = {file: INSIDE, **{path: str(path) for path in mounted_folders(options)}}
    return [word for source, target in mounts.items() for word in ("--volume", f"{source}:{target}:ro")]
