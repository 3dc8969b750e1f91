"""The file of signers: the keys whose messages are answered, and what each may send."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from celery.utils.log import get_logger
from pydantic import AwareDatetime, Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from worker.signing.keys import ED25519_BYTES, SECRET_BYTES_MIN, Algorithm, PublicKey, Secret, VerifyingKey
from worker.signing.secret_file import Base64, FileModel, UnusableFileError, read_secret_file
from worker.signing.task_names import EVERY, NAME_OR_PREFIX, TaskNames

logger = get_logger(__name__)

KeyId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
TaskPattern = Annotated[str, StringConstraints(pattern=rf"^(\*|{NAME_OR_PREFIX})$")]
Project = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class Signer(FileModel):
    """A key, and what it may send."""

    id: KeyId
    algorithm: Algorithm
    # Of Ed25519.
    public_key: Base64 | None = Field(default=None, alias="publicKey")
    # Of HMAC-SHA-256.
    secret: Base64 | None = None
    projects: Annotated[list[Project], Field(min_length=1)]
    tasks: Annotated[list[TaskPattern], Field(min_length=1)]
    # The instant from which its messages are refused. It must be given, if only as null.
    ends: AwareDatetime | None

    @field_validator("projects")
    @classmethod
    def _are_all_or_named(cls, projects: list[str]) -> list[str]:
        if EVERY in projects and len(projects) > 1:
            raise PydanticCustomError("projects", "must be either names, or * alone for all projects")
        return projects

    @model_validator(mode="after")
    def _has_the_key_of_its_algorithm(self) -> Self:
        wanted, other = (
            (self.public_key, self.secret) if self.algorithm is Algorithm.ED25519 else (self.secret, self.public_key)
        )
        if wanted is None or other is not None:
            raise PydanticCustomError("key", "must have a publicKey for ed25519, or a secret for hmac-sha256")
        try:
            self.key  # noqa: B018 - reads the key
        except ValueError:
            text = f"publicKey must have {ED25519_BYTES} bytes, and secret {SECRET_BYTES_MIN} or more"
            raise PydanticCustomError("key", "{text}", {"text": text}) from None
        return self

    @cached_property
    def key(self) -> VerifyingKey:
        """The key itself."""
        if self.algorithm is Algorithm.ED25519:
            return PublicKey(self.public_key or b"")
        return Secret(self.secret or b"")

    @cached_property
    def allowed_tasks(self) -> TaskNames:
        """The tasks that the key may send."""
        return TaskNames.read(self.tasks)

    @cached_property
    def concerns_all(self) -> bool:
        """Whether the key may send for every project."""
        return EVERY in self.projects

    @cached_property
    def own_projects(self) -> frozenset[str]:
        """The projects for which the key may send."""
        return frozenset(self.projects)

    def may_concern(self, projects: Collection[str]) -> bool:
        """Return whether the key may send a request that names those projects. One that names none concerns all."""
        return self.concerns_all or (bool(projects) and self.own_projects.issuperset(projects))

    def has_ended(self, now: float) -> bool:
        """Return whether the key has ended, by an instant in seconds since 1970."""
        return self.ends is not None and self.ends <= datetime.fromtimestamp(now, UTC)

    def __repr__(self) -> str:
        return f"{self.id}(…)"


class SignersInFile(FileModel):
    """The whole file."""

    keys: list[Signer]

    @field_validator("keys")
    @classmethod
    def _have_ids_of_their_own(cls, keys: list[Signer]) -> list[Signer]:
        if len({each.id for each in keys}) < len(keys):
            raise PydanticCustomError("ids", "two keys have the same id")
        return keys


def by_id(signers: Iterable[Signer]) -> dict[str, Signer]:
    """Return the signers by the ids of their keys."""
    return {each.id: each for each in signers}


class SignersFile:
    """The signers of a file, which is read again when it has changed. A file that is broken changes nothing."""

    def __init__(self, path: str) -> None:
        """Read the file. Raises UnusableFileError if it cannot be used."""
        self._path = Path(path)
        self._read_as = self._look()
        self._signers = by_id(read_secret_file(path, SignersInFile).keys)

    def current(self) -> Mapping[str, Signer]:
        """Return the signers by the ids of their keys, as the file has them now, or had them when it was last valid."""
        look = self._look()
        if look != self._read_as:
            self._read_as = look
            try:
                self._signers = by_id(read_secret_file(self._path, SignersInFile).keys)
            except UnusableFileError as error:
                logger.error("the signers stay as they were: %s cannot be used: %s", self._path, error)  # noqa: TRY400
            else:
                logger.warning("the signers were read again: %d keys", len(self._signers))
        return self._signers

    def _look(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        # The instant of the change of the inode too: a file may be replaced with one of the same size and time.
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
