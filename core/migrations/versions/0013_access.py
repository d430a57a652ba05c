"""How a subscriber comes in: by name, hotspot or fibre.

Revision ID: 0013
Revises: 0012
"""

revision = "0013"
down_revision: str | None = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
