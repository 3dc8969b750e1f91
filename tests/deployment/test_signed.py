"""The files that deploy Scrip with signed messages: workers read the signers, and only beat has the key."""

import subprocess
from typing import Any

import pytest
import yaml

from scrip.stack.procfile import PROCFILE
from tests.deployment.kubernetes_manifests import BASE, FOLDER, Manifest, manifests, of_kind, pods, variables
from tests.other_servers.server_program import installed
from worker.queues import QUEUES
from worker.settings import Settings
from worker.signing.secret_file import FORBIDDEN_BITS

SIGNERS, KEY = "SCRIP_SIGNERS_FILE", "SCRIP_SIGNING_KEY_FILE"
WANTED = {**dict.fromkeys(QUEUES, SIGNERS), "beat": KEY}
COMPOSE = PROCFILE.parent / "deploy" / "compose.signed.yml"
EXAMPLE = PROCFILE.parent / "deploy" / "systemd" / "environment.example"


def test_compose_gives_each_service_its_file() -> None:
    """In a folder that cannot be written, and of which the operator has to say where it is."""
    services: Any = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    assert {name: "".join(each["environment"]) for name, each in services.items()} == WANTED
    for each in services.values():
        (path,), (volume,) = each["environment"].values(), each["volumes"]
        source, target, mode = volume.rsplit(":", 2)
        assert (":?" in source, mode) == (True, "ro")
        assert path.startswith(f"{target}/")


@pytest.fixture(scope="module")
def built() -> list[Manifest]:
    """Build the manifests by Kubernetes's own program."""
    kubectl = installed("kubectl", package="kubernetes-client")
    done = subprocess.run([kubectl, "kustomize", FOLDER / "signed"], capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


def test_kubernetes_gives_each_pod_its_file(built: list[Manifest]) -> None:
    """In a secret that the worker's group may read. All the rest is as without signatures."""
    found = {name: variables(pod["containers"][0]) for name, pod in pods(built).items()}
    assert {name: each for name, given in found.items() for each in given if each in {SIGNERS, KEY}} == WANTED
    for name, variable in WANTED.items():
        pod = pods(built)[name]
        (mount,) = [
            each for each in pod["containers"][0]["volumeMounts"] if found[name][variable].startswith(each["mountPath"])
        ]
        (volume,) = [each for each in pod["volumes"] if each["name"] == mount["name"]]
        assert mount["readOnly"]
        assert volume["secret"]["defaultMode"] & FORBIDDEN_BITS == 0
        assert volume["secret"]["defaultMode"] & 0o040
        assert len(pod["volumes"]) == len(pods(manifests(BASE))[name]["volumes"]) + 1
    assert sorted(of_kind("Deployment", built)) == sorted(of_kind("Deployment", manifests(BASE)))


def test_systemds_example_names_both_files() -> None:
    """Commented out: messages need no signatures by default."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for name in (SIGNERS, KEY):
        assert sum(each.startswith(f"# {name}=/etc/scrip/") for each in lines) == 1
        assert name.removeprefix("SCRIP_").lower() in Settings.model_fields
