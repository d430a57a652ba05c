"""What tells how well a NAS reports, and when each node was there to hear it.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

from core.tenancy import protect

revision = "0006"
down_revision: str | None = "0005"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    "ALTER TABLE session ADD COLUMN interval_s INTEGER DEFAULT 0 NOT NULL",
    # A constant to PostgreSQL, so that no row is written anew.
    """ALTER TABLE session_history
        ADD COLUMN sealed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL""",
    "CREATE INDEX ix_session_history_sealed_at ON session_history (sealed_at)",
    """CREATE TABLE hearing (
        node TEXT COLLATE "C" NOT NULL,
        since_at TIMESTAMP WITH TIME ZONE NOT NULL,
        until_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_hearing PRIMARY KEY (node, since_at)
    ) WITH (fillfactor = 50)""",
    """CREATE TABLE nas_day (
        tenant_id BIGINT NOT NULL,
        nas_id BIGINT NOT NULL,
        day DATE NOT NULL,
        records BIGINT DEFAULT 0 NOT NULL,
        repeated BIGINT DEFAULT 0 NOT NULL,
        unreadable BIGINT DEFAULT 0 NOT NULL,
        ambiguous BIGINT DEFAULT 0 NOT NULL,
        implausible BIGINT DEFAULT 0 NOT NULL,
        stops BIGINT DEFAULT 0 NOT NULL,
        reaped BIGINT DEFAULT 0 NOT NULL,
        redialled BIGINT DEFAULT 0 NOT NULL,
        restarted BIGINT DEFAULT 0 NOT NULL,
        reused BIGINT DEFAULT 0 NOT NULL,
        silent_gaps BIGINT DEFAULT 0 NOT NULL,
        silent_s BIGINT DEFAULT 0 NOT NULL,
        skew_s BIGINT,
        CONSTRAINT pk_nas_day PRIMARY KEY (tenant_id, nas_id, day)
    ) WITH (fillfactor = 50)""",
    *protect("hearing", node="SELECT, INSERT, UPDATE, DELETE"),
    *protect("nas_day", app="SELECT", node="SELECT, INSERT, UPDATE"),
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
