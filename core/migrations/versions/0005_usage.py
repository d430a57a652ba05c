"""Usage by quarter of an hour, and its daily sums.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels = None
depends_on = None

# Rows from when the bucket was an hour keep their beginning, which is a quarter's as well.
STATEMENTS: tuple[str, ...] = (
    "ALTER TABLE usage_hour RENAME TO usage",
    "ALTER TABLE usage RENAME COLUMN hour TO begins_at",
    "ALTER TABLE usage RENAME CONSTRAINT pk_usage_hour TO pk_usage",
    "ALTER SEQUENCE usage_hour_id_seq RENAME TO usage_id_seq",
    """ALTER INDEX ix_usage_hour_tenant_id_subscriber_id_hour
        RENAME TO ix_usage_tenant_id_subscriber_id_begins_at""",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
