"""What a node reports of its addresses; a part of the replicator's status."""

import msgspec


class PoolStatus(msgspec.Struct):
    """One pool on one node."""

    tenant_id: int
    pool: str
    free: int  # that a login may get here at once
    leased: int  # given here, or held back
    unowned_blocks: int  # that no node has, as last heard

    @property
    def is_empty(self) -> bool:
        """The next login that needs one is refused."""
        return self.free == 0
