"""Procfile, docker-compose.yml, Dockerfile and Flower's configuration agree with each other, and are safe."""

import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from compose_spec import PyOptions

from scrip.stack.postgres_roles import OWNER, READER, ROLES_SCRIPT, WORKER
from scrip.stack.postgres_server import BY_BYTES, NO_VALUES_IN_THE_LOG
from scrip.stack.procfile import PROCFILE, RELEASE, ProcfileInvalid, read_procfile
from scrip.stack.procfile_programs import stack_processes
from scrip.stack.valkey_users import BEAT, FLOWER, METRICS, USERS, USERS_FILE, users_with_passwords
from scrip.stack.valkey_users import WORKER as BROKER_WORKER
from worker.queues import QUEUES, UNNAMED_QUEUE

ROOT = PROCFILE.parent
COMPOSE = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVERS = {"postgres", "valkey"}
# Makes the roles of the database before the migrations.
ROLES = "roles"
# An address without a host and a password.
NO_DATABASE = "postgresql://"
MEMORY = re.compile(r"(\d+)([mg])b?")

Service = Mapping[str, Any]


@pytest.fixture
def services() -> Mapping[str, Service]:
    """Return the services of docker-compose.yml, read by a parser that knows the Compose specification."""
    compose = PyOptions(apply_merge=True).from_yaml(COMPOSE)
    compose.validate()
    services: Mapping[str, Service] = compose.to_dict()["services"]
    return services


def flower_settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> dict[str, Any]:
    """Execute Flower's configuration as Flower does, and return the settings."""
    for name in ("FLOWER_ADDRESS", "FLOWER_PORT", "FLOWER_BASIC_AUTH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(ROOT / "worker" / "flower.py"))


def test_compose_runs_the_procfiles_lines_and_nothing_else(
    services: Mapping[str, Service], programs: Mapping[str, list[str]]
) -> None:
    """Beside the two servers and their roles there is a service for each line, with the same command."""
    others = {*SERVERS, ROLES}
    commands = {name: shlex.split(service["command"]) for name, service in services.items() if name not in others}
    assert commands == programs


def test_compose_makes_the_database_as_scrip_up_does(services: Mapping[str, Service]) -> None:
    """The databases sort texts in the same order."""
    assert services["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split() == list(BY_BYTES)


def test_the_log_of_postgres_shows_no_rows(services: Mapping[str, Service]) -> None:
    """It has the settings of `scrip up`, with which tests search the log."""
    program, *options = services["postgres"]["command"].split()
    assert program == "postgres"
    assert options[::2] == ["-c"] * len(NO_VALUES_IN_THE_LOG)
    assert options[1::2] == [f"{name}={value}" for name, value in NO_VALUES_IN_THE_LOG.items()]


def test_a_name_that_stands_twice_in_a_procfile_is_refused(tmp_path: Path) -> None:
    """Only one of the two programs would run."""
    procfile = tmp_path / "Procfile"
    procfile.write_text("beat: celery -A tasks beat\nbeat: celery -A tasks beat\n")
    with pytest.raises(ProcfileInvalid, match="line 2"):
        read_procfile(procfile)


def test_scrip_up_runs_the_procfiles_lines(programs: Mapping[str, list[str]], tmp_path: Path) -> None:
    """The embedded stack takes the commands from the same file, word for word."""
    started = stack_processes(programs, data_folder=tmp_path, environment={}, folder=ROOT)
    assert {process.name: list(process.command()) for process in started} == programs


def test_every_queue_has_exactly_one_worker_line(programs: Mapping[str, list[str]]) -> None:
    """A queue without a worker would keep its messages for ever, Celery's default too. Two lines would share them."""
    consumed = [
        queue
        for words in programs.values()
        for option, value in pairwise(words)
        if option == "--queues"
        for queue in value.split(",")
    ]
    assert sorted(consumed) == sorted((*QUEUES, UNNAMED_QUEUE))


def test_no_secret_has_a_default(services: Mapping[str, Service]) -> None:
    """A secret must come from outside, and the example file names it without a value."""
    references = re.findall(r"(?<!\$)\$(?!\$)\S*", COMPOSE)
    required = {match[1] for each in references if (match := re.match(r"\$\{([A-Z_]+):\?", each))}
    assert len(references) == COMPOSE.count(":?")
    example = (ROOT / ".env.example").read_text().splitlines()
    assert {line for line in example if line and not line.startswith("#")} == {f"{name}=" for name in required}
    secrets = [
        value
        for service in services.values()
        for name, value in service.get("environment", {}).items()
        if re.search("PASSWORD|AUTH|URL", name)
    ]
    assert secrets
    assert all("${" in value for value in secrets if value != NO_DATABASE)
    assert not re.search("PASSWORD|AUTH|SECRET|URL", DOCKERFILE)


def test_only_flower_and_the_metrics_are_published_and_to_this_machine_alone(services: Mapping[str, Service]) -> None:
    """Databases and brokers are reached from inside only. The two also ask for a password."""
    assert {name: service["ports"] for name, service in services.items() if service.get("ports")} == {
        "flower": ["127.0.0.1:5555:5555"],
        "metrics": ["127.0.0.1:9808:9808"],
    }
    assert "FLOWER_BASIC_AUTH" in services["flower"]["environment"]
    assert "SCRIP_METRICS_BASIC_AUTH" in services["metrics"]["environment"]
    assert not any(service.get("network_mode") for service in services.values())


def test_every_service_that_stays_up_has_a_health_check_and_time_to_stop(services: Mapping[str, Service]) -> None:
    """Only `roles` and `release` end."""
    staying = {name: service for name, service in services.items() if name not in {ROLES, RELEASE}}
    assert all(service["healthcheck"]["test"] for service in staying.values())
    assert {service["restart"] for service in staying.values()} == {"unless-stopped"}
    assert all(service["stop_grace_period"] for service in staying.values())


def test_each_service_connects_with_the_role_of_its_own(services: Mapping[str, Service]) -> None:
    """The owner's password is for the migrations, and the superuser's for making the roles."""
    users = {
        name: {
            variable: value.removeprefix("postgresql://").partition(":")[0]
            for variable, value in service.get("environment", {}).items()
            if variable.startswith("DATABASE_")
        }
        for name, service in services.items()
        if name not in SERVERS
    }
    worker = {"DATABASE_URL": WORKER}
    assert users.pop(RELEASE) == worker | {"DATABASE_OWNER_URL": OWNER}
    assert users.pop("metrics") == {"DATABASE_URL": READER}
    assert users.pop(ROLES) == {}
    assert services["flower"]["environment"]["DATABASE_URL"] == NO_DATABASE
    users.pop("flower")
    assert all(each == worker for each in users.values())
    superusers = [name for name, service in services.items() if "${POSTGRES_PASSWORD:" in str(service)]
    assert superusers == ["postgres", ROLES]


def test_each_service_has_the_user_of_its_own_at_the_broker(services: Mapping[str, Service]) -> None:
    """Only Valkey itself knows the administrator's password, for its health check."""
    users = {
        name: service["environment"]["REDIS_URL"].removeprefix("redis://").partition(":")[0]
        for name, service in services.items()
        if "REDIS_URL" in service.get("environment", {})
    }
    found = {each: users.pop(each) for each in ("beat", "flower", "metrics")}
    assert found == {"beat": BEAT, "flower": FLOWER, "metrics": METRICS}
    assert set(users.values()) == {BROKER_WORKER}
    assert [name for name, service in services.items() if "${VALKEY_PASSWORD:" in str(service)] == ["valkey"]


def test_the_passwords_of_the_broker_come_from_the_environment() -> None:
    """The program that Compose runs in the container writes what `scrip up` writes. It ends if one is missing."""
    passwords = {user: f"secret{number}" for number, user in enumerate(USERS)}
    variables = {f"VALKEY_{user.removeprefix('scrip_').upper()}_PASSWORD": passwords[user] for user in USERS}
    words = ["awk", "-f", str(USERS_FILE.with_name("passwords.awk")), str(USERS_FILE)]
    done = subprocess.run(words, env={**os.environ, **variables}, capture_output=True, text=True, check=True)
    assert done.stdout == users_with_passwords(passwords, databases=1)
    assert "_PASSWORD" not in done.stdout
    variables.pop("VALKEY_BEAT_PASSWORD")
    done = subprocess.run(words, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "VALKEY_BEAT_PASSWORD is not set\n")


def test_the_roles_are_made_by_the_files_that_operators_run(services: Mapping[str, Service]) -> None:
    """Their folder is mounted read-only, and the command names both."""
    (mount,) = services[ROLES]["volumes"]
    source, target, mode = mount.split(":")
    assert (ROOT / source, mode) == (ROLES_SCRIPT.parent, "ro")
    files = [word.removeprefix("--file=") for word in services[ROLES]["command"].split() if "--file=" in word]
    assert files == [f"{target}/roles.sql", f"{target}/passwords.sql"]


def test_a_workers_health_check_asks_that_worker(
    services: Mapping[str, Service], programs: Mapping[str, list[str]]
) -> None:
    """The health check asks the node that the command names. %h is the container's host name."""
    workers = {name: words for name, words in programs.items() if "--hostname" in words}
    assert len(workers) == len(QUEUES)
    for name, words in workers.items():
        node = words[words.index("--hostname") + 1].replace("%h", "$$HOSTNAME")
        assert services[name]["healthcheck"]["test"] == f"celery -A tasks inspect ping -d {node}"


def test_nothing_starts_before_what_it_needs(
    services: Mapping[str, Service], programs: Mapping[str, list[str]]
) -> None:
    """Postgres starts first, then the roles are made, then the migrations run, then the rest."""
    assert services[ROLES]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services[RELEASE]["depends_on"] == {ROLES: {"condition": "service_completed_successfully"}}
    after = {"release": {"condition": "service_completed_successfully"}, "valkey": {"condition": "service_healthy"}}
    assert all(services[name]["depends_on"] == after for name in programs if name != RELEASE)


def test_programs_run_without_privileges_on_a_read_only_image(
    services: Mapping[str, Service], programs: Mapping[str, list[str]]
) -> None:
    """A program may write to /tmp only. Beat needs that for its schedule."""
    for name in programs:
        service = services[name]
        assert service["tmpfs"] in ("/tmp", ["/tmp"])  # noqa: S108 - the container's own
    assert services["beat"]["environment"]["SCRIP_BEAT_SCHEDULE_FILE"].startswith("/tmp/")  # noqa: S108 - the same


def test_every_container_is_confined_and_has_limits(services: Mapping[str, Service]) -> None:
    """The servers too: they run as the users of their images, and as nothing that root may do."""
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "cap_add" not in service, name
        assert not service.get("privileged"), name
        assert megabytes(str(service["mem_limit"])) > 0, name
        assert 0 < int(service["pids_limit"]) <= 200, name
    assert {name: service["user"] for name, service in services.items() if "user" in service} == {
        "postgres": "postgres",
        ROLES: "postgres",
        "valkey": "valkey",
    }


def megabytes(limit: str) -> int:
    """Return a limit of memory in megabytes."""
    found = MEMORY.fullmatch(limit)
    assert found, limit
    return int(found[1]) * (1024 if found[2] == "g" else 1)


def test_valkey_stops_taking_messages_before_its_container_ends(services: Mapping[str, Service]) -> None:
    """A full server refuses messages, and keeps those that it has. The kernel would kill it."""
    (most,) = re.findall(r"^ +maxmemory (\w+)$", COMPOSE, re.MULTILINE)
    assert megabytes(most) * 2 <= megabytes(str(services["valkey"]["mem_limit"]))


def test_flower_reaches_no_database_and_no_server_is_in_a_network_that_leads_outside(
    services: Mapping[str, Service], programs: Mapping[str, list[str]]
) -> None:
    """Each server has an internal network of its own."""
    compose = PyOptions(apply_merge=True).from_yaml(COMPOSE).to_dict()
    networks = {name: set(service["networks"]) for name, service in services.items()}
    internal = {name for name, network in compose["networks"].items() if network and network.get("internal")}
    assert internal == {"database", "broker"}
    assert (networks["postgres"], networks["valkey"]) == ({"database"}, {"broker"})
    assert networks["flower"] == {"broker", "published"}
    assert networks[ROLES] == networks[RELEASE] == {"database"}
    assert {name for name, found in networks.items() if found - internal} == {"flower", "metrics"}
    assert all({"database", "broker"} <= networks[name] for name in programs if name not in {RELEASE, "flower"})


def test_the_exporter_reads_the_folder_in_which_the_workers_count(
    services: Mapping[str, Service], programs: Mapping[str, list[str]]
) -> None:
    """It is a volume that they share, and the image gives it to the user that runs them."""
    counting = {name: service for name, service in services.items() if name in programs}
    (folder,) = {service["environment"]["SCRIP_METRICS_FOLDER"] for service in counting.values()}
    assert all(service["volumes"] == [f"metrics:{folder}"] for service in counting.values())
    user = re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)[-1]
    assert f'RUN ["install", "--directory", "--owner={user}", "--group={user}", "{folder}"]' in DOCKERFILE


def test_the_dockerfile_passes_hadolint() -> None:
    """Among other things: pinned tags, exec forms, no caches in the image."""
    hadolint = Path(sys.executable).parent / "hadolint"
    result = subprocess.run(
        [hadolint, "--failure-threshold", "style", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_the_image_takes_locked_wheels_only_and_is_not_root() -> None:
    """The instructions that ensure this are checked word for word."""
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", bases.pop())
    installs = [line for line in re.sub(r'[",\[\]]', "", DOCKERFILE).splitlines() if "pip install" in line]
    assert len(installs) == 2
    assert all("--require-hashes --only-binary :all:" in line or "--no-deps" in line for line in installs)
    # A shell as the first process would keep the signals of a stop from the program.
    assert all(re.match(r"\w+ \[", line) for line in re.findall(r"^(?:CMD|ENTRYPOINT) .*", DOCKERFILE, re.MULTILINE))
    assert int(re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)[-1]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("credentials", ["", "scrip", "scrip:", ":password", "scrip:password,"])
def test_flower_does_not_start_without_a_password(credentials: str, programs: Mapping[str, list[str]]) -> None:
    """It ends with a single clear line, before it looks for a broker."""
    result = subprocess.run(
        [sys.executable, "-m", *programs["flower"]],
        cwd=ROOT,
        env={"FLOWER_BASIC_AUTH": credentials},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr == "scrip: Flower does not start without a password: set FLOWER_BASIC_AUTH=user:password\n"


def test_flower_listens_on_this_machine_alone_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """For Flower itself, an empty address means every interface."""
    settings = flower_settings(monkeypatch, FLOWER_BASIC_AUTH="scrip:pw", FLOWER_ADDRESS="", FLOWER_PORT="")
    assert (settings["address"], settings["port"], settings["persistent"]) == ("127.0.0.1", 5555, False)
    told = {"FLOWER_BASIC_AUTH": "scrip:pw,ops:pw", "FLOWER_ADDRESS": "0.0.0.0", "FLOWER_PORT": "8080"}  # noqa: S104
    settings = flower_settings(monkeypatch, **told)
    assert (settings["address"], settings["port"]) == ("0.0.0.0", 8080)  # noqa: S104 - inside a container
