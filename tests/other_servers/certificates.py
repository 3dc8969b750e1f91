"""Certificates by a certificate authority of a test's own."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.other_servers.server_program import installed

DAYS = "2"


class Certificate(NamedTuple):
    """A server's certificate, its key, and the authority that signed the certificate."""

    file: Path
    key_file: Path
    authority_file: Path


def certificate(folder: Path, *, name: str) -> Certificate:
    """Make an authority and a certificate that it signed for a host: `IP:127.0.0.1` or `DNS:example.org`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificate(folder / "server.pem", folder / "server.key", folder / "authority.pem")
    authority_key = folder / "authority.key"
    new_key = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", DAYS)
    _openssl(*new_key, "-keyout", authority_key, "-out", made.authority_file, "-subj", "/CN=an authority of a test")
    signed = ("-CA", made.authority_file, "-CAkey", authority_key, "-addext", f"subjectAltName={name}")
    _openssl(*new_key, "-keyout", made.key_file, "-out", made.file, "-subj", "/CN=server", *signed)
    # A server that runs as another user reads the key.
    made.key_file.chmod(0o644)
    return made


def _openssl(*words: object) -> None:
    program = installed("openssl", package="openssl")
    subprocess.run([program, *map(str, words)], check=True, capture_output=True)
