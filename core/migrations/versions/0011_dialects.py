"""What a NAS's dialect needs to be told.

Revision ID: 0011
Revises: 0010
"""

revision = "0011"
down_revision: str | None = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
