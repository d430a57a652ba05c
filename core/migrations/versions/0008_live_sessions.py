"""Which sessions are open, and of which nobody can tell.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision: str | None = "0007"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    "ALTER TABLE session ADD COLUMN silent_since TIMESTAMP WITH TIME ZONE",
    # Mostly empty: it tells an ingest at once whether any silent one may be heard again.
    "CREATE INDEX ix_session_silent ON session (id) WHERE silent_since IS NOT NULL",
    # The open sessions of a subscriber, beside all that he ever had.
    """CREATE INDEX ix_session_open_subscriber ON session (subscriber_id)
        WHERE stopped_at IS NULL AND subscriber_id IS NOT NULL""",
    # A session that opened or closed is a change of its subscriber to the directories.
    "GRANT INSERT ON change TO turnpike_node",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
