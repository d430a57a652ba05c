"""Which node a NAS speaks to.

Revision ID: 0015
Revises: 0014
"""

revision = "0015"
down_revision: str | None = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
