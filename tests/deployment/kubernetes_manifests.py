"""The manifests of deploy/kubernetes, as the cluster reads them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from scrip.stack.procfile import PROCFILE

FOLDER = PROCFILE.parent / "deploy" / "kubernetes"
BASE, KEDA = FOLDER / "base", FOLDER / "keda"

Manifest = Mapping[str, Any]


def documents(path: Path) -> list[Manifest]:
    """Return the documents of a file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def manifests(folder: Path) -> list[Manifest]:
    """Return what the kustomization of a folder applies, without what it takes from another folder."""
    (kustomization,) = documents(folder / "kustomization.yaml")
    return [each for name in kustomization["resources"] if name != "../base" for each in documents(folder / name)]


def of_kind(kind: str, found: list[Manifest]) -> dict[str, Manifest]:
    """Return the manifests of a kind by their names."""
    return {each["metadata"]["name"]: each for each in found if each["kind"] == kind}


def pods(found: list[Manifest]) -> dict[str, Manifest]:
    """Return the pods of all deployments and jobs, by the names of these."""
    kinds = (of_kind(kind, found) for kind in ("Deployment", "Job"))
    return {name: each["spec"]["template"]["spec"] for one in kinds for name, each in one.items()}


def containers(found: list[Manifest]) -> Iterator[Manifest]:
    """Yield the containers of all pods."""
    for pod in pods(found).values():
        yield from pod["containers"]


def variables(container: Manifest) -> dict[str, str]:
    """Return the variables that a container gets by itself, beside those of the configuration and the secret."""
    return {each["name"]: each["value"] for each in container.get("env", [])}
