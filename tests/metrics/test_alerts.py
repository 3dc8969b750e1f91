"""Alerts and dashboard: every name exists, every alert has a section of the runbook, and fires when it should."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.documents.blocks import blocks
from tests.other_servers.server_program import installed
from worker.metrics.definitions import METRICS, Kind

CHECKOUT = Path(__file__).parents[2]
ALERTS = CHECKOUT / "deploy" / "alerts.yml"
DASHBOARD = CHECKOUT / "deploy" / "grafana.json"
RUNBOOK = CHECKOUT / "docs" / "operate.md"
NAME = re.compile(r"\bscrip_\w+")
ALERT = re.compile(r"^      - alert: (\w+)$", re.MULTILINE)


class Case(NamedTuple):
    """An alert with samples over which it fires, with its labels, and samples over which it does not."""

    alert: str
    fires: dict[str, str]
    stays: dict[str, str]
    labels: str = ""
    severity: str = "warning"
    # Long enough for each alert's condition and its `for`.
    at: str = "60m"


UP = {"scrip_database_up": "1x70"}
CASES = [
    Case("ScripNotWatched", {"other": "1x70"}, UP, severity="critical"),
    # A single exporter that reaches the server is enough.
    Case(
        "ScripDatabaseDown",
        {'scrip_database_up{instance="a"}': "0x70", 'scrip_database_up{instance="b"}': "0x70"},
        {'scrip_database_up{instance="a"}': "0x70", 'scrip_database_up{instance="b"}': "1x70"},
        severity="critical",
    ),
    Case("ScripBrokerDown", {"scrip_broker_up": "0x70"}, {"scrip_broker_up": "1x70"}, severity="critical"),
    Case(
        "ScripCountersUnreadable",
        {'scrip_counters_up{instance="a"}': "0x70"},
        {'scrip_counters_up{instance="a"}': "1x70"},
        labels="instance: a",
    ),
    Case(
        "ScripQueueOld",
        {'scrip_queue_oldest_age_seconds{queue="billing"}': "301x70"},
        {'scrip_queue_oldest_age_seconds{queue="billing"}': "299x70"},
        labels="queue: billing",
        severity="critical",
    ),
    Case(
        "ScripNothingAnswered",
        {
            'scrip_queue_messages{queue="billing",state="ready"}': "5x70",
            'scrip_answers_total{task="billing.apply",outcome="applied",reason=""}': "9x70",
            "scrip_counters_up": "1x70",
        },
        {
            'scrip_queue_messages{queue="billing",state="ready"}': "5x70",
            'scrip_answers_total{task="billing.apply",outcome="applied",reason=""}': "0+1x70",
            "scrip_counters_up": "1x70",
        },
        severity="critical",
    ),
    Case("ScripDeadLetters", {"scrip_dead_letters": "1x70"}, {"scrip_dead_letters": "0x70"}),
    Case("ScripUnreadableMessages", {"scrip_unreadable_messages": "1x70"}, {"scrip_unreadable_messages": "0x70"}),
    Case(
        "ScripMessagesDropped",
        {'scrip_messages_dropped_total{reason="unknown_task"}': "0x30 1x40"},
        {'scrip_messages_dropped_total{reason="unknown_task"}': "7x70"},
        labels="reason: unknown_task",
    ),
    Case(
        "ScripMessagesRefused",
        {'scrip_messages_refused_total{reason="forged"}': "0x30 1x40"},
        {'scrip_messages_refused_total{reason="forged"}': "7x70"},
        labels="reason: forged",
    ),
    Case("ScripSweepLate", {"scrip_sweep_age_seconds": "301x70"} | UP, {"scrip_sweep_age_seconds": "61x70"} | UP),
    # It never ran.
    Case("ScripSweepLate", UP, {"scrip_database_up": "0x70"}),
    Case("ScripBeatSilent", {"scrip_beat_tick_age_seconds": "181x70"} | UP, {"scrip_beat_tick_age_seconds": "61x70"}),
    Case("ScripBeatSilent", UP, {"scrip_database_up": "0x70"}),
    Case(
        "ScripAuditViolations",
        {'scrip_audit_violations{kind="changes"}': "1x70"},
        {'scrip_audit_violations{kind="changes"}': "0x70"},
        labels="kind: changes",
        severity="critical",
    ),
    Case(
        "ScripAuditLate",
        {'scrip_audit_age_seconds{kind="changes"}': "5401x70"} | UP,
        {'scrip_audit_age_seconds{kind="changes"}': "5399x70"} | UP,
        labels="kind: changes",
    ),
    Case(
        "ScripAuditLate",
        {'scrip_audit_age_seconds{kind="everything"}': "108001x70", 'scrip_audit_age_seconds{kind="changes"}': "9x70"},
        {'scrip_audit_age_seconds{kind="everything"}': "90000x70", 'scrip_audit_age_seconds{kind="changes"}': "9x70"},
        labels="kind: everything",
    ),
    # It never ran.
    Case("ScripAuditLate", UP, {"scrip_database_up": "0x70"}, labels="kind: changes"),
    Case(
        "ScripAuditLate",
        {'scrip_audit_age_seconds{kind="changes"}': "9x1900", "scrip_database_up": "1x1900"},
        {'scrip_audit_age_seconds{kind="changes"}': "9x1900", "scrip_database_up": "_x120 1x1780"},
        labels="kind: everything",
        at="31h",
    ),
    Case(
        "ScripHoldsOverdue",
        {"scrip_hold_overdue_age_seconds": "901x70"},
        {"scrip_hold_overdue_age_seconds": "60x70"},
    ),
    Case("ScripLockWait", {"scrip_lock_wait_age_seconds": "16x70"}, {"scrip_lock_wait_age_seconds": "14x70"}),
    Case(
        "ScripGuessing",
        {'scrip_answers_total{task="redemptions.redeem",outcome="refused",reason="too_many_attempts"}': "0+10x70"},
        {
            'scrip_answers_total{task="redemptions.redeem",outcome="refused",reason="too_many_attempts"}': "0+5x70",
            'scrip_answers_total{task="redemptions.redeem",outcome="refused",reason="voucher_not_found"}': "0+99x70",
        },
    ),
    Case(
        "ScripDeadlocks",
        {"scrip_database_deadlocks_total": "3x30 4x40"},
        {"scrip_database_deadlocks_total": "3x70"},
    ),
    Case(
        "ScripDatabaseAway",
        {"scrip_database_outages_total": "0x50 1x20"},
        {"scrip_database_outages_total": "5x70"},
    ),
    Case(
        "ScripRetries",
        {
            'scrip_retries_total{task="billing.apply",cause="lock_timeout"}': "0+60x70",
            'scrip_answers_total{task="billing.apply",outcome="applied",reason=""}': "0+600x70",
        },
        {
            'scrip_retries_total{task="billing.apply",cause="lock_timeout"}': "0+60x70",
            'scrip_answers_total{task="billing.apply",outcome="applied",reason=""}': "0+6000x70",
        },
    ),
    Case(
        "ScripChildrenLost",
        {'scrip_retries_total{task="billing.apply",cause="child_lost"}': "4x50 5x20"},
        {
            'scrip_retries_total{task="billing.apply",cause="child_lost"}': "4x70",
            'scrip_retries_total{task="billing.apply",cause="deadlock"}': "4x50 5x20",
        },
        labels="task: billing.apply",
    ),
    # The series has just begun.
    Case(
        "ScripChildrenLost",
        {'scrip_retries_total{task="billing.apply",cause="child_lost"}': "_x50 1x20"},
        {'scrip_retries_total{task="billing.apply",cause="child_lost"}': "1x70"},
        labels="task: billing.apply",
    ),
    Case(
        "ScripBatchesSlow",
        {
            'scrip_batch_seconds_bucket{task="billing.apply",le="5.0"}': "0x70",
            'scrip_batch_seconds_bucket{task="billing.apply",le="10.0"}': "0+10x70",
            'scrip_batch_seconds_bucket{task="billing.apply",le="+Inf"}': "0+10x70",
        },
        {
            'scrip_batch_seconds_bucket{task="billing.apply",le="5.0"}': "0+10x70",
            'scrip_batch_seconds_bucket{task="billing.apply",le="+Inf"}': "0+10x70",
        },
        labels="task: billing.apply",
    ),
    Case(
        "ScripConnectionsSlow",
        {
            'scrip_connection_wait_seconds_bucket{le="2.0"}': "0x70",
            'scrip_connection_wait_seconds_bucket{le="10.0"}': "0+10x70",
            'scrip_connection_wait_seconds_bucket{le="+Inf"}': "0+10x70",
        },
        {
            'scrip_connection_wait_seconds_bucket{le="2.0"}': "0+10x70",
            'scrip_connection_wait_seconds_bucket{le="+Inf"}': "0+10x70",
        },
    ),
]


def alerts() -> list[str]:
    """Return the names of the alerts."""
    return ALERT.findall(ALERTS.read_text(encoding="utf-8"))


def sample_names() -> set[str]:
    """Return the names of all samples that an exporter serves."""
    parts = [
        f"{each.name}{part}"
        for each in METRICS
        for part in (("_bucket", "_sum", "_count") if each.kind is Kind.HISTOGRAM else ("",))
    ]
    return set(parts)


def test_every_name_in_an_alert_is_served() -> None:
    """A misspelt metric would be an alert that never fires."""
    used = set(NAME.findall("\n".join(line for line in ALERTS.read_text(encoding="utf-8").splitlines())))
    assert used
    assert used <= sample_names()


def test_every_name_in_the_dashboard_is_served_and_every_metric_is_shown() -> None:
    """The queries of its panels."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    used = {name for query in queries for name in NAME.findall(query)}
    assert used <= sample_names()
    not_shown = {each.name for each in METRICS if not any(name.startswith(each.name) for name in used)}
    assert not_shown == set()


def test_the_dashboards_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    """Grafana would move them."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (column, row)
        for position in (panel["gridPos"] for panel in panels)
        for column in range(position["x"], position["x"] + position["w"])
        for row in range(position["y"], position["y"] + position["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) < 24


def test_each_alert_has_a_section_of_the_runbook() -> None:
    """Its annotation leads there, and there is no section without an alert."""
    named = alerts()
    assert len(named) == len(set(named))
    part = re.search(r"^## Alerts\n(.*?)(?=^## |\Z)", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert part
    sections = re.findall(r"^### (\w+)$", part[1], re.MULTILINE)
    assert sections == named
    links = re.findall(r"runbook: docs/operate\.md#(\w+)$", ALERTS.read_text(encoding="utf-8"), re.MULTILINE)
    assert links == [each.lower() for each in named]


def test_the_pages_queries_and_the_alerts_are_valid_for_prometheus(tmp_path: Path) -> None:
    """By Prometheus's own tool: the alerts, and the queries of the definitions and of the dashboard."""
    promtool = installed("promtool", package="prometheus")
    subprocess.run([promtool, "check", "rules", ALERTS], check=True, capture_output=True)
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    queries = [
        *(each.query for each in METRICS),
        *(target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())),
    ]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    # JSON is YAML.
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", file], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pages_configuration_is_valid_for_prometheus(tmp_path: Path) -> None:
    """With the alerts beside it."""
    promtool = installed("promtool", package="prometheus")
    (configuration,) = blocks("docs/metrics.md", "yaml")
    (tmp_path / "prometheus.yml").write_text(configuration)
    shutil.copy(ALERTS, tmp_path)
    done = subprocess.run(
        [promtool, "check", "config", tmp_path / "prometheus.yml"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(alerts())} rules found" in done.stdout


@pytest.mark.slow
def test_every_alert_fires_when_it_should_and_not_otherwise(tmp_path: Path) -> None:
    """By Prometheus's own evaluation, an hour or more after the beginning of the samples."""
    promtool = installed("promtool", package="prometheus")
    assert {each.alert for each in CASES} == set(alerts())
    tests = []
    for case in CASES:
        fired = {"exp_labels": {"severity": case.severity} | dict([case.labels.split(": ")] if case.labels else [])}
        for samples, expected in ((case.fires, [fired]), (case.stays, [])):
            series = [{"series": name, "values": values} for name, values in samples.items()]
            alert = {"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}
            tests.append({"interval": "1m", "input_series": series, "alert_rule_test": [alert]})
    # The summaries are not compared, so they are taken out of the copy that is tested.
    rules = re.sub(r"\n        annotations:\n(?:          .*\n)+", "\n", ALERTS.read_text(encoding="utf-8"))
    (tmp_path / "alerts.yml").write_text(rules)
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps({"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run([promtool, "test", "rules", file], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
