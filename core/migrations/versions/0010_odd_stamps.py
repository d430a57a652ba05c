"""What a NAS stamped with a time that cannot be is counted by the day.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision: str | None = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.get_bind().exec_driver_sql(
        "ALTER TABLE nas_day ADD COLUMN odd_stamps BIGINT DEFAULT 0 NOT NULL"
    )


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
