"""What the network was asked for, and what came of it.

Revision ID: 0014
Revises: 0013
"""

revision = "0014"
down_revision: str | None = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
