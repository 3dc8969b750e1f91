"""The scheduled audits: of what changed, every five minutes, and of everything, every night. Each leaves a row."""

import logging
import time
from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

from celery.utils.log import get_logger

from models.base import read_clock
from models.monitoring.recorded_audit import (
    AuditKind,
    await_audit_lock,
    begin_audit,
    end_audit,
    find_last_ended_audit,
    forget_audits,
    try_audit_lock,
)
from tasks.audit.audit import CHECKS, Violation, audit_alone
from tasks.audit.changes import audit_changes
from tasks.audit.messages import Audit
from tasks.audit.pace import Pace
from tasks.intake.task import contract_task, delivery_id
from tasks.wire.answers import Answer
from tasks.wire.replay import AnswerTable
from worker.database import transaction
from worker.logs.json_lines import with_fields
from worker.schedule import AUDIT, AUDIT_PERIOD

logger = get_logger(__name__)

KEPT_FOR = timedelta(days=30)
# A transaction that was open for longer while an audit of changes began leaves its rows to the audit of everything.
OPEN_MAX = timedelta(minutes=1)
# An audit of changes looks back no further. Before that there is the audit of everything.
LOOKS_BACK_MAX = timedelta(days=1)
# Half as long as a child may work. An audit of changes for which five minutes are too short goes on, and the next ones
# have nothing to do meanwhile: they would take more of the server from redeeming.
RESTING_SECONDS_MAX = 1_800
# A row has no more violations than these. `scrip audit` shows all that are still there.
FINDINGS_MAX = 100


@contract_task(AUDIT, message=Audit, first_answer=AnswerTable.STATE)
def run(request: Audit) -> Answer:
    """Check what changed since the last audit, or everything, and store the result. Two audits never run at once.

    An audit of changes does nothing while another audit runs, and an audit of everything waits.
    """
    with transaction() as session:
        if request.kind is AuditKind.EVERYTHING:
            await_audit_lock(session)
        elif not try_audit_lock(session):
            logger.info("another audit runs, so this one of %s has nothing to do", request.kind)
            return _answer(request.kind, checks=0, violations=0)
        return record_audit(request.kind)


def record_audit(kind: AuditKind, *, pace: Pace | None = None) -> Answer:
    """Audit, and store when the audit began and ended, with its violations. Audits of 30 days ago are forgotten.

    Without a pace, it rests for at most half an hour.

    An interrupted audit leaves a row without an end, and the next one looks at its changes too. The next attempt at its
    message goes on with its row.
    """
    with transaction() as session:
        now = read_clock(session)
        # If the clock was set back, or is that of another server, an audit may have begun later than now.
        last = find_last_ended_audit(session, before=now)
        since = _changed_since(last.started_at if last else now - AUDIT_PERIOD, now=now)
        changed_since = since if kind is AuditKind.CHANGES else None
        run_id = begin_audit(session, kind=kind, now=now, changed_since=changed_since, message=delivery_id())
    began = time.monotonic()
    pace = pace or Pace(seconds_max=RESTING_SECONDS_MAX)
    found = audit_changes(first=since, end=now, pace=pace) if kind is AuditKind.CHANGES else audit_everything(pace)
    _store(run_id, found, now=now)
    _log(kind, found, seconds=time.monotonic() - began)
    return _answer(kind, checks=len(CHECKS), violations=len(found))


def audit_everything(pace: Pace) -> list[Violation]:
    """Return every violation in the database. Each check has a transaction of its own."""
    found = list[Violation]()
    for check in CHECKS:
        with pace.work():
            found += audit_alone(check=check)
    return found


def _changed_since(last_started_at: datetime, *, now: datetime) -> datetime:
    return max(last_started_at - OPEN_MAX, now - LOOKS_BACK_MAX)


def _store(run_id: UUID, found: list[Violation], *, now: datetime) -> None:
    findings = [
        {"check": each.check, "project": each.project, "subject": each.subject, "detail": each.detail}
        for each in found[:FINDINGS_MAX]
    ]
    with transaction() as session:
        end_audit(session, audit=run_id, checks=len(CHECKS), violations=len(found), findings=findings)
        forget_audits(session, now=now, after=KEPT_FOR)


def _log(kind: AuditKind, found: list[Violation], *, seconds: float) -> None:
    # Subjects and details may be ids of customers and amounts, which a log must not show.
    broken = dict(Counter(each.check for each in found))
    shown = "".join(f"; {check}: {count}" for check, count in broken.items())
    logger.log(
        logging.ERROR if found else logging.INFO,
        "audit of %s: %d checks, %d violations in %.1f s%s",
        kind,
        len(CHECKS),
        len(found),
        seconds,
        shown,
        extra=with_fields(
            event="audit", kind=kind.value, checks=len(CHECKS), violations=len(found), broken=broken, seconds=seconds
        ),
    )


def _answer(kind: AuditKind, *, checks: int, violations: int) -> Answer:
    return {"object": "audit", "kind": kind.value, "checks": checks, "violations": violations}
