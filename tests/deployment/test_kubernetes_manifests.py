"""The manifests run the Procfile's lines, are valid by Kubernetes's own schemas, and need no privilege."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyOptions
from jsonschema import Draft202012Validator

from scrip.stack.procfile import PROCFILE, RELEASE
from tests.deployment.keda_schema import SCALED_OBJECT
from tests.deployment.kubernetes_manifests import (
    BASE,
    FOLDER,
    KEDA,
    Manifest,
    containers,
    documents,
    manifests,
    of_kind,
    pods,
    variables,
)
from tests.documents.blocks import blocks
from tests.other_servers.server_program import installed
from worker.metrics.definitions import QUEUE_MESSAGES
from worker.queues import QUEUES

# The oldest and the newest whose schemas are checked.
VERSIONS = ("1.29", "1.37")
# docker-compose.yml has the same grace period, and a worker stops within ten seconds.
STOP_SECONDS = 20
SCALED = {"redemptions", "billing"}
ANYWHERE = "0.0.0.0"  # noqa: S104 - inside a pod


@pytest.fixture(scope="module")
def base() -> list[Manifest]:
    """Return what is applied without KEDA."""
    return manifests(BASE)


@pytest.fixture(scope="module")
def scalers() -> list[Manifest]:
    """Return what is applied with KEDA besides."""
    return manifests(KEDA)


def test_every_file_is_applied() -> None:
    """A file that no kustomization names would be applied by nobody."""
    for folder in (BASE, KEDA):
        (kustomization,) = documents(folder / "kustomization.yaml")
        files = {path.name for path in folder.iterdir()} - {"kustomization.yaml"}
        assert set(kustomization["resources"]) - {"../base"} == files
    assert documents(KEDA / "kustomization.yaml")[0]["resources"][0] == "../base"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifests_are_valid_by_the_schemas_of_kubernetes(base: list[Manifest], version: str) -> None:
    """Strictly: a field that is not known is an error."""
    for each in base:
        kubernetes_validate.validate(each, version, strict=True)


def test_a_field_that_kubernetes_does_not_know_is_an_error(base: list[Manifest]) -> None:
    """The check above can fail."""
    beat = of_kind("Deployment", base)["beat"]
    with pytest.raises(kubernetes_validate.ValidationError, match="replica'"):
        kubernetes_validate.validate({**beat, "spec": {**beat["spec"], "replica": 2}}, VERSIONS[0], strict=True)


def test_the_scalers_are_valid_by_kedas_fields(scalers: list[Manifest]) -> None:
    """By our own schema, of the fields that are used."""
    for each in scalers:
        Draft202012Validator(SCALED_OBJECT).validate(each)


def test_kustomize_finds_no_fault(base: list[Manifest], scalers: list[Manifest]) -> None:
    """It applies all manifests, in one namespace and with one image."""
    kubectl = installed("kubectl", package="kubernetes-client")
    done = subprocess.run([kubectl, "kustomize", KEDA], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    built = list(yaml.safe_load_all(done.stdout))
    assert sorted((each["kind"], each["metadata"]["name"]) for each in built) == sorted(
        (each["kind"], each["metadata"]["name"]) for each in [*base, *scalers]
    )
    assert {each["metadata"].get("namespace", "scrip") for each in built} == {"scrip"}
    assert {each["image"] for each in containers(built)} == {"registry.example.com/scrip:0.1.0"}


def test_the_pods_run_the_procfiles_lines_and_nothing_else(
    base: list[Manifest], programs: Mapping[str, list[str]]
) -> None:
    """There is a pod for each line. A worker's pod has an exporter besides."""
    found = pods(base)
    assert {name: pod["containers"][0]["command"] for name, pod in found.items()} == programs
    besides = {name: [each["command"] for each in pod["containers"][1:]] for name, pod in found.items()}
    assert besides == {name: [programs["metrics"]] if name in QUEUES else [] for name in programs}
    assert set(of_kind("Job", base)) == {RELEASE}


def test_there_is_one_beat(base: list[Manifest], scalers: list[Manifest]) -> None:
    """The old one ends before a new one starts, and nothing scales it."""
    spec = of_kind("Deployment", base)["beat"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert {each["spec"]["scaleTargetRef"]["name"] for each in scalers} == SCALED
    assert {name for name, each in of_kind("Deployment", base).items() if "replicas" not in each["spec"]} == SCALED


def test_keda_scales_by_the_messages_that_are_not_done(scalers: list[Manifest], tmp_path: Path) -> None:
    """By our own metric. Prometheus itself evaluates the queries, over samples of two exporters that see the same."""
    promtool = installed("promtool", package="prometheus")
    series = [
        {"series": f'{QUEUE_MESSAGES.name}{{instance="{instance}",queue="{queue}",state="{state}"}}', "values": count}
        for instance in "ab"
        for queue, counts in (("redemptions", (7, 3, 100)), ("billing", (50, 0, 0)))
        for state, count in zip(("ready", "taken", "waiting"), counts, strict=True)
    ]
    queries = {
        name: each["spec"]["triggers"][0]["metadata"]["query"]
        for name, each in of_kind("ScaledObject", scalers).items()
    }
    expected = [
        {"expr": queries[name], "eval_time": "0m", "exp_samples": [{"labels": "{}", "value": value}]}
        for name, value in (("redemptions", 10), ("billing", 50))
    ]
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"tests": [{"input_series": series, "promql_expr_test": expected}]}))
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_scrapes_the_ports_of_the_exporters(base: list[Manifest], tmp_path: Path) -> None:
    """By the configuration of docs/operate.md, which keeps ports by their name."""
    (text,) = blocks("docs/operate.md", "yaml")
    (job,) = yaml.safe_load(text)["scrape_configs"]
    ports = {port["name"] for each in containers(base) if each["command"][0] == "scrip" for port in each["ports"]}
    assert [each["regex"] for each in job["relabel_configs"]] == list(ports)
    # Debian's Prometheus knows no Kubernetes, so it checks the rest.
    (discovery,) = job.pop("kubernetes_sd_configs")
    assert discovery == {"role": "pod", "namespaces": {"names": list(of_kind("Namespace", base))}}
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump({"scrape_configs": [job]}))
    promtool = installed("promtool", package="prometheus")
    done = subprocess.run([promtool, "check", "config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_pod_needs_a_privilege(base: list[Manifest]) -> None:
    """The namespace refuses one that asks for any. A pod writes to its volumes only."""
    (namespace,) = of_kind("Namespace", base).values()
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    user = int(re.findall(r"^USER (\d+)$", (PROCFILE.parent / "Dockerfile").read_text(), re.MULTILINE)[-1])
    for pod in pods(base).values():
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            **dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), user),
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert all(set(volume) == {"name", "emptyDir"} for volume in pod["volumes"])
        assert pod["automountServiceAccountToken"] is False
    for container in containers(base):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]  # noqa: S108 - the container's own


def test_no_service_takes_the_place_of_a_setting(base: list[Manifest]) -> None:
    """Kubernetes would set FLOWER_PORT to the address of the service `flower`, and Flower would not start."""
    assert "flower" in of_kind("Service", base)
    assert all(pod["enableServiceLinks"] is False for pod in pods(base).values())


def test_no_secret_has_a_value() -> None:
    """All addresses and passwords come from a secret that the operator makes."""
    text = "".join(path.read_text() for path in FOLDER.rglob("*.yaml"))
    assert not re.search(r"kind: Secret\b|PASSWORD|_AUTH|DATABASE_URL|REDIS_URL|BROKER_URL", text)
    usual = [{"configMapRef": {"name": "scrip"}}, {"secretRef": {"name": "scrip"}}]
    owner = {"secretRef": {"name": "scrip-owner", "optional": True}}
    for container in containers(manifests(BASE)):
        assert container["envFrom"] == [*usual, *([owner] if container["name"] == "release" else [])]


def test_a_workers_counters_are_served_from_its_own_pod(base: list[Manifest]) -> None:
    """Both containers have the folder. An exporter without workers has none, and would say that it cannot be read."""
    for name, pod in pods(base).items():
        folders = {variables(each).get("SCRIP_METRICS_FOLDER") for each in pod["containers"]}
        assert folders == ({"/var/lib/scrip/metrics"} if name in QUEUES else {None})
        if name in QUEUES:
            mount = {"name": "metrics", "mountPath": "/var/lib/scrip/metrics"}
            assert all(mount in each["volumeMounts"] for each in pod["containers"])
    listening = [each for each in containers(base) if each["command"] == ["scrip", "metrics"]]
    assert {variables(each)["SCRIP_METRICS_LISTEN"] for each in listening} == {f"{ANYWHERE}:9808"}
    assert all(each["ports"] == [{"name": "metrics", "containerPort": 9808}] for each in listening)


def test_the_probes_ask_as_the_health_checks_of_compose_do(base: list[Manifest]) -> None:
    """A worker that does not answer is not started anew: it connects again by itself."""
    compose = PyOptions(apply_merge=True).from_yaml((PROCFILE.parent / "docker-compose.yml").read_text()).to_dict()
    for name in (*QUEUES, "beat"):
        container = pods(base)[name]["containers"][0]
        kind = "livenessProbe" if name == "beat" else "readinessProbe"
        assert {each for each in container if each.endswith("Probe")} == {kind}
        *shell, command = container[kind]["exec"]["command"]
        assert shell == ["sh", "-c"]
        assert command == compose["services"][name]["healthcheck"]["test"].replace("$$", "$")
    for name, port in (("flower", 5555), ("metrics", 9808)):
        (container,) = pods(base)[name]["containers"]
        assert container["ports"] == [{"name": name, "containerPort": port}]
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthcheck", "port": name}


def test_a_worker_has_time_to_stop(base: list[Manifest]) -> None:
    """As long as in docker-compose.yml. A rollout begins with a worker of the new release."""
    for name in QUEUES:
        assert pods(base)[name]["terminationGracePeriodSeconds"] == STOP_SECONDS
        strategy = of_kind("Deployment", base)[name]["spec"]["strategy"]
        assert strategy == {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_migrations_run_once(base: list[Manifest]) -> None:
    """Failed migrations need an operator, not a restart."""
    job = of_kind("Job", base)[RELEASE]
    assert job["spec"]["backoffLimit"] == 0
    assert pods(base)[RELEASE]["restartPolicy"] == "Never"


def test_labels_select_what_they_belong_to(base: list[Manifest]) -> None:
    """A selector that matches no pod, or another's, would do nothing or harm."""
    for each in (*of_kind("Deployment", base).values(), *of_kind("PodDisruptionBudget", base).values()):
        labels = {"app.kubernetes.io/name": "scrip", "app.kubernetes.io/component": each["metadata"]["name"]}
        assert each["metadata"]["labels"] == each["spec"]["selector"]["matchLabels"] == labels
        if each["kind"] == "Deployment":
            assert each["spec"]["template"]["metadata"]["labels"] == labels
    assert set(of_kind("PodDisruptionBudget", base)) == SCALED
    (service,) = of_kind("Service", base).values()
    assert service["spec"]["selector"]["app.kubernetes.io/component"] == "flower"
