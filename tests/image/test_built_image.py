"""The built image, run as docker-compose.yml runs it: with a read-only root, as its own user, on real servers."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scrip.stack.listener import LOOPBACK, free_port
from scrip.stack.stack import servers
from tests.end_to_end.client import Client
from tests.image.compose_services import Service, as_container, health_check, read_services
from tests.image.container import Container
from tests.image.images import Image
from tests.metrics.exporter import Exporter
from tests.support.requests import invoice, redemption, voucher_body
from tests.support.waiting import eventually

pytestmark = pytest.mark.scale

CHECKOUT = Path(__file__).parents[2]
PROBES = Path(__file__).with_name("image_probes.py").read_text()
CREDENTIALS = "scrip:password"


@dataclass(frozen=True)
class System:
    """The running services of docker-compose.yml, without its servers."""

    services: Mapping[str, Service]
    containers: Mapping[str, Container]
    variables: Mapping[str, str]

    def execute(self, name: str, *words: str) -> str:
        """Run a program in the container of a service and return its standard output."""
        done = self.containers[name].execute(*words)
        assert done.returncode == 0, done.stdout + done.stderr + self.containers[name].log
        return done.stdout

    @property
    def metrics_port(self) -> int:
        """The port that the test chose for the exporter."""
        return int(self.variables["SCRIP_METRICS_LISTEN"].rpartition(":")[2])

    def is_healthy(self, name: str) -> bool:
        """Return whether the health check of a service passes, with the ports that the test chose."""
        ports = {
            ":5555/": f":{self.variables['FLOWER_PORT']}/",
            ":9808/": f":{self.metrics_port}/",
        }
        words = health_check(self.services[name])
        for ours, chosen in ports.items():
            words = [word.replace(ours, chosen) for word in words]
        assert self.containers[name].process.poll() is None, self.containers[name].log
        done = self.containers[name].execute(*words)
        print(name, done.returncode, done.stdout, done.stderr)  # noqa: T201 - pytest shows it if the test fails
        return done.returncode == 0


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Run a new Postgres and a new Valkey, and yield the variables that differ from those of docker-compose.yml."""
    with servers(tmp_path_factory.mktemp("servers")) as addresses:
        yield {
            "DATABASE_URL": addresses["DATABASE_URL"],
            "DATABASE_OWNER_URL": addresses["DATABASE_OWNER_URL"],
            "REDIS_URL": addresses["REDIS_URL"],
            "FLOWER_ADDRESS": LOOPBACK,
            "FLOWER_PORT": str(free_port()),
            "FLOWER_BASIC_AUTH": CREDENTIALS,
            "SCRIP_METRICS_LISTEN": f"{LOOPBACK}:{free_port()}",
            "SCRIP_METRICS_BASIC_AUTH": CREDENTIALS,
        }


@pytest.fixture(scope="module")
def system(image: Image, variables: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run `release`, then every other service. At the end each stops in its grace period, without an error."""
    folder = tmp_path_factory.mktemp("containers")
    services = {
        name: service for name, service in read_services(CHECKOUT / "docker-compose.yml").items() if "build" in service
    }
    containers = {
        name: as_container(name, service, image, variables=variables, folder=folder)
        for name, service in services.items()
    }
    with containers.pop("release") as release:
        assert release.process.wait() == 0, release.log
    with ExitStack() as opened:
        for container in containers.values():
            opened.enter_context(container)
        yield System(services, containers, variables)
        for name, container in containers.items():
            seconds = int(services[name]["stop_grace_period"].removesuffix("s"))
            assert container.stop(seconds=seconds) == 0, container.log


def test_the_health_check_of_every_service_passes(system: System) -> None:
    """The four workers, beat, Flower and the exporter start, and each answers."""
    for name in system.containers:
        eventually(partial(system.is_healthy, name))


def test_a_redemption_is_decided_and_discounts_an_invoice(system: System) -> None:
    """The exporter reads from the shared volume what the workers counted there, and the audit finds nothing."""
    with Client(system.variables) as client:
        voucher = client.ask("vouchers.create", voucher_body(code="SUMMER"))
        redeemed = client.ask("redemptions.redeem", redemption(code="summer", customer="cus_1", subscription="sub_1"))
        assert (redeemed["outcome"], redeemed["voucher"]) == ("accepted", voucher["id"])
        discounted = client.ask("billing.apply", invoice())
        assert [each["discount"] for each in discounted["discounts"]] == [redeemed["discount"]]
    process: Any = system.containers["metrics"].process
    exporter = Exporter(process, system.metrics_port)
    _, page = exporter.get(credentials=CREDENTIALS)
    assert re.search(r'^scrip_answers_total{.*task="redemptions.redeem".*} 1\.0$', page, re.MULTILINE), page
    assert system.execute("admin", "scrip", "audit").endswith(" checks, 0 violations\n")


def test_a_program_can_change_nothing_but_its_two_folders(system: System) -> None:
    """It has the image's own user and no capability, on the image's version of Python."""
    found = json.loads(system.execute("redemptions", "python", "-c", PROBES, "look"))
    assert found == {
        "python": "3.13",
        "user and groups": [10001, 10001, []],
        "capabilities": ["0000000000000000"] * 5,
        "no new privileges": "1",
        "read-only": ["/", "/app", "/app/tasks", "/etc", "/opt/venv"],
        "writable": ["/tmp", "/var/lib/scrip/metrics"],  # noqa: S108 - the container's own
    }


def test_no_module_is_compiled_at_a_start(system: System) -> None:
    """Python finds valid bytecode of every module of ours."""
    assert json.loads(system.execute("redemptions", "python", "-c", PROBES, "stale")) == []


def test_nothing_else_of_the_checkout_is_in_the_image(system: System) -> None:
    """Neither secrets nor tests, nor the embedded servers."""
    found = system.execute("redemptions", "sh", "-c", "ls -A /app /app/scrip").split()
    assert not {".env", ".git", "tests", "docs", "demo", "stack"} & set(found), found
