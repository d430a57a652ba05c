"""How a subscriber comes in, and by what he is found beside his name; what a NAS gives to devices
that nobody knows.

Revision ID: 0013
Revises: 0012
"""

from alembic import op

revision = "0013"
down_revision: str | None = "0012"
branch_labels = None
depends_on = None


STATEMENTS = (
    """ALTER TABLE subscriber
        ADD COLUMN access TEXT DEFAULT 'pppoe' NOT NULL,
        ADD COLUMN line_nas_id BIGINT,
        ADD COLUMN line TEXT COLLATE "C",
        ADD COLUMN circuit_id TEXT COLLATE "C",
        ADD COLUMN remote_id TEXT COLLATE "C",
        ADD COLUMN onu_serial TEXT COLLATE "C",
        ADD COLUMN duid TEXT COLLATE "C",
        ADD COLUMN mac TEXT COLLATE "C",
        ADD CONSTRAINT ck_subscriber_access CHECK (access IN ('pppoe', 'hotspot', 'gpon')),
        ADD CONSTRAINT ck_subscriber_mac CHECK (mac ~ '^[0-9a-f]{12}$'),
        ADD CONSTRAINT fk_subscriber_tenant_id_line_nas_id FOREIGN KEY(tenant_id, line_nas_id)
            REFERENCES nas (tenant_id, id) ON DELETE RESTRICT""",
    *(
        f"""CREATE UNIQUE INDEX ix_subscriber_tenant_id_{column} ON subscriber (tenant_id, {column})
            WHERE {column} IS NOT NULL"""
        for column in ("onu_serial", "duid", "mac")
    ),
    # The name of a line is one NAS's, or any NAS's.
    *(
        f"""CREATE UNIQUE INDEX ix_subscriber_{column}
            ON subscriber (tenant_id, coalesce(line_nas_id, 0), {column})
            WHERE {column} IS NOT NULL"""
        for column in ("line", "circuit_id", "remote_id")
    ),
    """ALTER TABLE nas
        ADD COLUMN unknown_devices TEXT COLLATE "C" DEFAULT 'reject' NOT NULL""",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
