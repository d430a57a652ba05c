"""Pools of ours on /healthz and in /metrics."""

from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from aaa.pools_state import PoolStatus
from aaa.status import ReplicatorStatus
from core import status
from core.clock import Clock
from web.health import assess
from web.metrics import NodeCollector


def tell(directory: Path, *pools: PoolStatus) -> None:
    said = ReplicatorStatus(
        pid=1,
        started_at=1.0,
        connected=True,
        caught_up_at=1.0,
        applied=0,
        rebuilds=0,
        subscribers=0,
        decisions_shipped=0,
        pools=list(pools),
    )
    status.write(directory, "replicator", said)


def pool(name: str, free: int) -> PoolStatus:
    return PoolStatus(tenant_id=1, pool=name, free=free, leased=7, unowned_blocks=0)


def test_an_empty_pool_is_an_alarm_by_its_name(tmp_path: Path) -> None:
    tell(tmp_path, pool("home", 0), pool("office", 1))
    assert assess(tmp_path, Clock().unix_s()).empty_pools == ("home",)
    registry = CollectorRegistry()
    registry.register(NodeCollector(tmp_path, Clock()))
    told = generate_latest(registry).decode()
    for line in (
        'turnpike_pool_free{pool="home",tenant="1"} 0.0',
        'turnpike_pool_leased{pool="office",tenant="1"} 7.0',
        'turnpike_pool_is_empty{pool="home",tenant="1"} 1.0',
        'turnpike_pool_is_empty{pool="office",tenant="1"} 0.0',
    ):
        assert line in told
