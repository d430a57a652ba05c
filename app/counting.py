"""Ingest with all who must hear of what it counts, for the process and for commands alike.

Apart from `app.wiring`, because a login worker loads that and must not load the database.
"""

from aaa import live_feed, pools_feed
from aaa.owners import owners
from aaa.quota_counting import QuotaCounting, leave_uncounted
from accounting.ingest import Ingest
from core.clock import Clock


def ingest(node: str, clock: Clock) -> Ingest:
    """`node` names whose positions they are; quotas and directories hear of each batch."""
    observers = (QuotaCounting(clock).observe, live_feed.observe, pools_feed.observe)
    stand_ins = (leave_uncounted, live_feed.tell_all)
    return Ingest(node, owners=owners, observers=observers, stand_ins=stand_ins)
