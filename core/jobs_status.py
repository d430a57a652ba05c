"""What the jobs process reports about itself."""

import msgspec


class JobsStatus(msgspec.Struct):
    """The worker of this process; counters since it started, times in Unix seconds."""

    pid: int
    started_at: float
    connected: bool
    running: int
    done: int
    failures: int  # attempts that ended in an error, of jobs and schedules
    waiting: int  # of all nodes and tenants, a moment ago: also for later, or for another version
    unhandled: int  # of these, of a kind that this version does not know
    held: int
    oldest_waiting_s: float  # how long the oldest could have been run by now; 0: none waits
