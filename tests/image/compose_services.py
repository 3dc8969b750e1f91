"""The services of docker-compose.yml, and how each is run without an engine."""

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compose_spec import PyOptions

from tests.image.container import Container, Rights
from tests.image.images import Image

Service = Mapping[str, Any]


def read_services(file: Path) -> dict[str, Service]:
    """Return the services, read by a parser that knows the Compose specification."""
    compose = PyOptions(apply_merge=True).from_yaml(file.read_text())
    compose.validate()
    services: dict[str, Service] = compose.to_dict()["services"]
    return services


def as_container(name: str, service: Service, image: Image, *, variables: Mapping[str, str], folder: Path) -> Container:
    """Return the container of a service. The variables take precedence over those of the service.

    The volumes and the log lie in the folder, and services share the volumes.
    """
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    environment = {key: variables.get(key, value) for key, value in service["environment"].items()}
    if "FLOWER_ADDRESS" in environment:
        environment["FLOWER_PORT"] = variables["FLOWER_PORT"]
    assert not any("${" in value for value in environment.values()), environment
    tmpfs = service["tmpfs"]
    rights = Rights(
        read_only=service["read_only"],
        tmpfs=[tmpfs] if isinstance(tmpfs, str) else tmpfs,
        volumes=dict(make_volume(each, image, folder=folder) for each in service["volumes"]),
    )
    words = shlex.split(service["command"])
    return Container(image, *words, name=name, rights=rights, environment=environment, log=folder / f"{name}.log")


def make_volume(mount: str, image: Image, *, folder: Path) -> tuple[str, Path]:
    """Return the folder in the container, and the one of this machine.

    A new volume begins as the image's folder, with the same owner, as with an engine.
    """
    name, _, target = mount.partition(":")
    volume = folder / name
    if not volume.exists():
        original = image.root / target.removeprefix("/")
        volume.mkdir()
        status = original.stat()
        volume.chmod(status.st_mode & 0o7777)
        shutil.chown(volume, status.st_uid, status.st_gid)
    return target, volume


def health_check(service: Service) -> list[str]:
    """Return the words of a service's health check."""
    test = service["healthcheck"]["test"]
    return ["sh", "-c", test.replace("$$", "$")] if isinstance(test, str) else test[1:]
