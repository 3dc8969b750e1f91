"""The list of faults by name."""

from collections.abc import Callable
from functools import partial

from tests.faults import process_faults as processes
from tests.faults import server_faults as servers
from tests.faults.system import System
from tests.support.proxy import Cut, Proxy
from worker.fault_points import FaultPoint

BEATS_POINTS = (FaultPoint.BEFORE_PUBLISHING, FaultPoint.AFTER_PUBLISHING)

Inject = Callable[[System], None]

FAULTS: dict[str, Inject] = {
    "child-killed": processes.kill_child,
    "worker-killed": processes.kill_worker,
    "worker-stopped": processes.stop_worker,
    "rolling-restarts": processes.roll_restarts,
    "several-beats": processes.run_several_beats,
    "clock-a-day-ahead": partial(processes.move_clock, offset="+1d"),
    "clock-a-day-behind": partial(processes.move_clock, offset="-1d"),
    "postgres-crashed": servers.crash_postgres,
    "postgres-restarted": servers.restart_postgres,
    "postgres-down-for-minutes": servers.lose_postgres_for_minutes,
    "postgres-frozen": servers.freeze_postgres,
    "postgres-demoted": servers.demote_postgres,
    "postgres-forgotten": partial(servers.lose_connections, server="postgres", lose=Proxy.forget),
    "postgres-half-open": partial(servers.lose_connections, server="postgres", lose=Proxy.abandon),
    "broker-crashed": servers.crash_broker,
    "broker-restarted": servers.restart_broker,
    "broker-frozen": servers.freeze_broker,
    "valkey-connections-killed": servers.kill_connections,
    "valkey-scripts-flushed": servers.flush_scripts,
    "valkey-flushed": servers.flush_valkey,
    "valkey-full": servers.fill_valkey,
    "valkey-disk-full": servers.fill_valkeys_disk,
    "broker-down-for-minutes": servers.lose_broker_for_minutes,
    "broker-forgotten": partial(servers.lose_connections, server="broker", lose=Proxy.forget),
    "broker-half-open": partial(servers.lose_connections, server="broker", lose=Proxy.abandon),
    "both-crashed": servers.crash_both,
    "network-blinking": servers.blink,
    "network-reset": servers.reset_network,
    "messages-duplicated": servers.duplicate_messages,
    "messages-poisoned": servers.poison_messages,
    **{f"commit-{cut}": partial(servers.cut_at_commit, cut=cut) for cut in Cut},
    **{
        f"{action}-{point}": partial(
            processes.beat_at_point if point in BEATS_POINTS else processes.at_point, point=point, action=action
        )
        for point in FaultPoint
        for action in ("kill", "raise", "stop")
    },
}
