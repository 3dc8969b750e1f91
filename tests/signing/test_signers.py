"""A file of signers says each problem in one line and shows no key. A file that is broken later changes nothing."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.signing.signing import ED25519, Key, text, write_secret, write_signers
from worker.signing.secret_file import UnusableFileError
from worker.signing.signers import SignersFile
from worker.signing.signing_key import read_signing_key

SHOP = Key("shop-1")
HUSH = "SHVzaCB0aGlzIGlzIGEgc2VjcmV0IG9mIDMyIGJ5dGVzLi4u"


def entry(**changed: Any) -> dict[str, Any]:
    """Return a valid key of the file, with a secret that no message may show."""
    return {"id": "shop-1", "algorithm": "hmac-sha256", "secret": HUSH, **SHOP.rights, **changed}


def without(name: str) -> dict[str, Any]:
    """Return a key of the file without a field."""
    return {field: value for field, value in entry().items() if field != name}


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("", "JSON"),
        ('{"keys": [' + json.dumps(entry())[:-9], "JSON"),
        ({}, "keys: "),
        ({"keys": [], "key": []}, "key: "),
        ({"keys": [entry(project=["gigs"])]}, "keys.0.project: "),
        ({"keys": [entry(), entry()]}, "two keys have the same id"),
        ({"keys": [without("ends")]}, "keys.0.ends: "),
        ({"keys": [without("projects")]}, "keys.0.projects: "),
        ({"keys": [entry(projects=[])]}, "keys.0.projects: "),
        ({"keys": [entry(projects=["*", "gigs"])]}, "must be either names, or *"),
        ({"keys": [entry(tasks=[])]}, "keys.0.tasks: "),
        ({"keys": [entry(tasks=["redemptions*"])]}, "keys.0.tasks.0: "),
        ({"keys": [entry(id="shop 1")]}, "keys.0.id: "),
        ({"keys": [entry(algorithm="none")]}, "keys.0.algorithm: "),
        ({"keys": [entry(ends="2027-01-01T00:00:00")]}, "keys.0.ends: "),
        ({"keys": [entry(secret="SHVzaA==")]}, "32 or more"),
        ({"keys": [entry(secret=f"{HUSH}!")]}, "keys.0.secret: must be base64"),
        ({"keys": [entry(algorithm=ED25519)]}, "must have a publicKey"),
        ({"keys": [entry(publicKey=HUSH)]}, "or a secret"),
        ({"keys": [without("secret")]}, "or a secret"),
        ({"keys": [without("secret") | {"algorithm": ED25519, "publicKey": HUSH}]}, "publicKey must have 32 bytes"),
    ],
    ids=str,
)
def test_a_file_that_is_wrong_says_so_in_one_line(tmp_path: Path, file: object, problem: str) -> None:
    """The line names the field, and no value."""
    path = write_secret(tmp_path / "signers.json", file)
    with pytest.raises(UnusableFileError) as raised:
        SignersFile(str(path))
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)
    assert HUSH not in str(raised.value)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o660, 0o602, 0o700])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    """Whoever can write it can send anything. Whoever reads a secret can sign."""
    path = write_secret(tmp_path / "signers.json", {"keys": [entry()]}, mode=mode)
    with pytest.raises(UnusableFileError, match=f"its mode is {mode:04o}"):
        SignersFile(str(path))


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_the_owner_and_a_reading_group_may_use_it(tmp_path: Path, mode: int) -> None:
    """Kubernetes hands a secret to a process by its group."""
    path = write_secret(tmp_path / "signers.json", {"keys": [entry()]}, mode=mode)
    assert list(SignersFile(str(path)).current()) == ["shop-1"]


def test_a_file_that_is_missing_or_none_is_refused(tmp_path: Path) -> None:
    """A pipe would be waited for."""
    with pytest.raises(UnusableFileError, match="No such file"):
        SignersFile(str(tmp_path / "nowhere"))
    with pytest.raises(UnusableFileError, match="Is a directory"):
        SignersFile(str(tmp_path))
    os.mkfifo(tmp_path / "pipe", mode=0o600)
    with pytest.raises(UnusableFileError, match="it is no file"):
        SignersFile(str(tmp_path / "pipe"))


def test_keys_are_read_again_when_the_file_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A key is rotated without a restart: both are known for a while. A broken file changes nothing, nor does none."""
    path = write_signers(tmp_path / "signers.json", SHOP)
    signers = SignersFile(str(path))
    write_signers(path, SHOP, Key("shop-2"))
    assert list(signers.current()) == ["shop-1", "shop-2"]
    write_signers(path, Key("shop-2"))
    assert list(signers.current()) == ["shop-2"]
    caplog.clear()
    write_secret(path, '{"keys": [')
    assert [list(signers.current()) for _ in range(3)] == [["shop-2"]] * 3
    write_secret(path, {"keys": [entry()]}, mode=0o644)
    assert list(signers.current()) == ["shop-2"]
    path.unlink()
    assert list(signers.current()) == ["shop-2"]
    errors = [each.message for each in caplog.records if each.levelname == "ERROR"]
    assert [("JSON" in each, "0644" in each, "No such file" in each) for each in errors] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    write_signers(path, Key("shop-3"))
    assert list(signers.current()) == ["shop-3"]


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ({"id": "scrip-1", "algorithm": ED25519, "secret": HUSH}, "32 bytes for ed25519"),
        ({"id": "scrip-1", "algorithm": "hmac-sha256", "secret": text(b"short")}, "32 or more"),
        ({"id": "scrip-1", "algorithm": ED25519, "publicKey": HUSH}, "publicKey: "),
    ],
)
def test_an_own_key_that_is_wrong_says_so_in_one_line(tmp_path: Path, file: object, problem: str) -> None:
    """As the file of signers does."""
    with pytest.raises(UnusableFileError) as raised:
        read_signing_key(str(write_secret(tmp_path / "own.json", file)))
    assert problem in str(raised.value)
    assert HUSH not in str(raised.value)
