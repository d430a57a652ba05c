"""Usage by quarter of an hour, and its daily sums.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

from core.tenancy import protect

revision = "0005"
down_revision: str | None = "0004"
branch_labels = None
depends_on = None

# Rows from when the bucket was an hour keep their beginning, which is a quarter's as well.
RENAMED = (
    "ALTER TABLE usage_hour RENAME TO usage",
    "ALTER TABLE usage RENAME COLUMN hour TO begins_at",
    "ALTER TABLE usage RENAME CONSTRAINT pk_usage_hour TO pk_usage",
    "ALTER SEQUENCE usage_hour_id_seq RENAME TO usage_id_seq",
    """ALTER INDEX ix_usage_hour_tenant_id_subscriber_id_hour
        RENAME TO ix_usage_tenant_id_subscriber_id_begins_at""",
)

DAYS = (
    """CREATE TABLE usage_day (
        tenant_id BIGINT NOT NULL,
        subscriber_id BIGINT NOT NULL,
        day DATE NOT NULL,
        confidence SMALLINT NOT NULL,
        input_octets NUMERIC NOT NULL,
        output_octets NUMERIC NOT NULL,
        session_time_s NUMERIC NOT NULL,
        CONSTRAINT pk_usage_day PRIMARY KEY (tenant_id, subscriber_id, day, confidence)
    ) WITH (fillfactor = 75)""",
    """CREATE TABLE usage_summed (
        tenant_id BIGINT NOT NULL,
        zone TEXT NOT NULL,
        up_to BIGINT NOT NULL,
        settled_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_usage_summed PRIMARY KEY (tenant_id)
    )""",
    # When the row itself was written: after its transaction had the lock of ingest, not before.
    "ALTER TABLE usage ALTER recorded_at SET DEFAULT clock_timestamp()",
    """CREATE INDEX ix_usage_late ON usage (tenant_id, subscriber_id, id)
        WHERE subscriber_id IS NOT NULL AND recorded_at - begins_at > '02:00:00'::interval""",
    *protect("usage_day", app="SELECT", node="SELECT, INSERT, UPDATE, DELETE"),
    *protect("usage_summed", app="SELECT", node="SELECT, INSERT, UPDATE"),
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in (*RENAMED, *DAYS):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
