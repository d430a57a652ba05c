"""Addresses that we give out.

Revision ID: 0012
Revises: 0011
"""

revision = "0012"
down_revision: str | None = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
