"""Ingest may forget which thresholds were crossed in windows that ended long ago.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

revision = "0009"
down_revision: str | None = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.get_bind().exec_driver_sql("GRANT DELETE ON quota_crossing TO turnpike_node")


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
