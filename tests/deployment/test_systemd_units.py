"""The units of deploy/systemd run the lines of the Procfile, start after the migrations, and are confined."""

import shlex
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

from scrip.stack.procfile import PROCFILE, RELEASE
from tests.other_servers.server_program import installed

UNITS = PROCFILE.parent / "deploy" / "systemd"
EVERY = "scrip-.service.d/every.conf"
BINARIES = "/opt/scrip/.venv/bin/"
# As docker-compose.yml has it. A worker stops within ten.
STOP_SECONDS = "20"
# systemd's own scale, in tenths: 100 is a process that may do everything, and below 50 the verdict is OK.
EXPOSURE_MAX = 40
# systemd's own units, to which ours refer.
SYSTEM_UNITS = Path("/usr/lib/systemd/system")

Unit = Mapping[str, list[str]]


def unit(name: str) -> Unit:
    """Return the settings of a unit, each with all of its values."""
    settings = defaultdict[str, list[str]](list)
    for line in (UNITS / name).read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            settings[key].append(value)
    return settings


def words(settings: Unit) -> list[str]:
    """Return the command of a unit, as systemd reads it."""
    (command,) = settings["ExecStart"]
    assert command.startswith(BINARIES)
    # %% is a percent sign. A single one, as in %h, would be something of systemd's own.
    assert "%" not in command.replace("%%", "")
    return shlex.split(command.removeprefix(BINARIES).replace("%%", "%"))


@pytest.fixture(scope="module")
def services() -> Mapping[str, Unit]:
    """Return the units that run programs, by the names of the Procfile."""
    return {path.stem.removeprefix("scrip-"): unit(path.name) for path in UNITS.glob("*.service")}


def test_the_units_run_the_procfiles_lines_and_nothing_else(
    services: Mapping[str, Unit], programs: Mapping[str, list[str]]
) -> None:
    """There is a unit for each line, with the same command from the virtual environment."""
    assert {name: words(settings) for name, settings in services.items()} == programs


def test_the_target_starts_every_line_that_stays_up(programs: Mapping[str, list[str]]) -> None:
    """They bring the migrations with them."""
    wanted = " ".join(unit("scrip.target")["Wants"]).split()
    assert wanted == [f"scrip-{name}.service" for name in programs if name != RELEASE]
    assert unit(EVERY)["PartOf"] == ["scrip.target"]


def test_nothing_starts_before_the_migrations_have_run(services: Mapping[str, Unit]) -> None:
    """They run once, and whatever ends afterwards is started again.

    A worker itself refuses a schema that lacks a migration. Migrations that fail, as those of an older release do after
    a later one's, keep no unit from its start.
    """
    release = services[RELEASE]
    assert (release["Type"], release["RemainAfterExit"], release["Restart"]) == (["oneshot"], ["yes"], [])
    for name, settings in services.items():
        if name != RELEASE:
            assert settings["Wants"] == settings["After"] == [f"scrip-{RELEASE}.service"]
            assert (settings["Type"], settings["Restart"]) == (["exec"], ["always"])
    assert unit(EVERY)["StartLimitIntervalSec"] == ["0"]


def test_a_worker_has_time_to_stop_and_stops_its_children_itself() -> None:
    """A signal to the whole group would kill the children over their batches."""
    settings = unit(EVERY)
    assert settings["TimeoutStopSec"] == [STOP_SECONDS]
    assert settings["KillMode"] == ["mixed"]


def test_what_is_written_is_in_the_folder_that_can_be_written() -> None:
    """The schedule of beat, and the counters of the workers, which the exporter reads."""
    settings = unit(EVERY)
    variables = dict(each.split("=", 1) for line in settings["Environment"] for each in line.split())
    folders = [f"/var/lib/{name}" for name in settings["StateDirectory"][0].split()]
    assert settings["ProtectSystem"] == ["strict"]
    assert Path(variables["SCRIP_BEAT_SCHEDULE_FILE"]).parent == Path(folders[0])
    assert variables["SCRIP_METRICS_FOLDER"] == folders[1]


def test_the_example_of_the_environment_has_no_secret() -> None:
    """It names the settings without a default, and gives them no value."""
    lines = [line for line in (UNITS / "environment.example").read_text().splitlines() if line and line[0] != "#"]
    assert lines == ["DATABASE_URL=", "DATABASE_READER_URL=", "REDIS_URL=", "FLOWER_BASIC_AUTH="]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of a system with our units, and with programs where they look for them."""
    folder = tmp_path_factory.mktemp("root")
    if SYSTEM_UNITS.exists():
        shutil.copytree(SYSTEM_UNITS, folder / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(UNITS, folder / "etc/systemd/system")
    for program in ("alembic", "celery", "scrip"):
        path = folder / BINARIES.lstrip("/") / program
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/true", path)
    return folder


def test_systemd_finds_no_fault(root: Path, services: Mapping[str, Unit]) -> None:
    """A setting that it does not know would have no effect, with a line in a log."""
    analyze = installed("systemd-analyze", package="systemd")
    names = ["scrip.target", *(f"scrip-{name}.service" for name in services)]
    done = subprocess.run([analyze, f"--root={root}", "verify", *names], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_calls_every_unit_confined(root: Path, services: Mapping[str, Unit]) -> None:
    """By its own review, which weighs each setting."""
    analyze = installed("systemd-analyze", package="systemd")
    names = [f"scrip-{name}.service" for name in services]
    options = (f"--root={root}", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", "--no-pager")
    done = subprocess.run([analyze, *options, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
