"""How a NAS is reached other than by RADIUS: its API, SNMP.

Revision ID: 0016
Revises: 0015
"""

from alembic import op

from core.tenancy import protect

revision = "0016"
down_revision: str | None = "0015"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE nas_api (
        nas_id BIGINT NOT NULL,
        way TEXT NOT NULL,
        tenant_id BIGINT NOT NULL,
        kind TEXT NOT NULL,
        address TEXT DEFAULT '' NOT NULL,
        port INTEGER,
        username TEXT DEFAULT '' NOT NULL,
        secrets_sealed BYTEA NOT NULL,
        options JSONB DEFAULT '{}' NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_nas_api PRIMARY KEY (nas_id, way),
        CONSTRAINT fk_nas_api_tenant_id_nas_id FOREIGN KEY(tenant_id, nas_id)
            REFERENCES nas (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT ck_nas_api_way CHECK (way IN ('api', 'snmp')),
        CONSTRAINT ck_nas_api_kind CHECK (kind IN ('routeros', 'unifi', '2c', '3')),
        CONSTRAINT ck_nas_api_port CHECK (port BETWEEN 1 AND 65535)
    )""",
    # A node reads them, to enforce what RADIUS could not.
    *protect("nas_api", app="SELECT, INSERT, UPDATE, DELETE", node="SELECT"),
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
