"""Which node a NAS speaks to, and whose usage no quota has counted yet.

Revision ID: 0015
Revises: 0014
"""

from alembic import op

from core.tenancy import protect

revision = "0015"
down_revision: str | None = "0014"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """CREATE TABLE nas_heard (
        tenant_id BIGINT NOT NULL,
        nas_id BIGINT NOT NULL,
        node TEXT COLLATE "C" NOT NULL,
        since_at TIMESTAMP WITH TIME ZONE NOT NULL,
        until_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_nas_heard PRIMARY KEY (tenant_id, nas_id, node)
    ) WITH (fillfactor = 50)""",
    """CREATE TABLE quota_uncounted (
        subscriber_id BIGINT NOT NULL,
        tenant_id BIGINT NOT NULL,
        since_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_quota_uncounted PRIMARY KEY (subscriber_id),
        CONSTRAINT fk_quota_uncounted_tenant_id_subscriber_id
            FOREIGN KEY(tenant_id, subscriber_id)
            REFERENCES subscriber (tenant_id, id) ON DELETE CASCADE
    )""",
    *protect("quota_uncounted", app="SELECT", node="SELECT, INSERT, DELETE"),
    *protect("nas_heard", app="SELECT", node="SELECT, INSERT, UPDATE, DELETE"),
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
