"""What the network was asked for, and what came of it.

Revision ID: 0014
Revises: 0013
"""

from alembic import op

from core.tenancy import protect

revision = "0014"
down_revision: str | None = "0013"
branch_labels = None
depends_on = None

TABLES = (
    """CREATE TABLE enforcement (
        session_id BIGINT NOT NULL,
        tenant_id BIGINT NOT NULL,
        nas_id BIGINT NOT NULL,
        subscriber_id BIGINT,
        wanted TEXT NOT NULL,
        service TEXT NOT NULL,
        reason TEXT DEFAULT '' NOT NULL,
        profile JSONB,
        applied TEXT DEFAULT '' NOT NULL,
        applied_profile JSONB,
        state TEXT DEFAULT 'due' NOT NULL,
        rung TEXT NOT NULL,
        version BIGINT DEFAULT 1 NOT NULL,
        attempts INTEGER DEFAULT 0 NOT NULL,
        cause TEXT DEFAULT '' NOT NULL,
        error_cause INTEGER,
        target TEXT DEFAULT '' NOT NULL,
        request TEXT DEFAULT '' NOT NULL,
        rtt_s DOUBLE PRECISION,
        made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        next_at TIMESTAMP WITH TIME ZONE,
        told_at TIMESTAMP WITH TIME ZONE,
        seen_at TIMESTAMP WITH TIME ZONE,
        seen_input_octets BIGINT,
        seen_output_octets BIGINT,
        looks INTEGER DEFAULT 0 NOT NULL,
        CONSTRAINT pk_enforcement PRIMARY KEY (session_id),
        CONSTRAINT ck_enforcement_service
            CHECK (service IN ('plan', 'throttled', 'garden', 'off')),
        CONSTRAINT ck_enforcement_state
            CHECK (state IN ('due', 'told', 'done', 'waiting', 'stopped', 'stale')),
        CONSTRAINT ck_enforcement_rung CHECK (rung IN ('coa', 'disconnect', 'api', 'login'))
    ) WITH (fillfactor = 70)""",
    "CREATE INDEX ix_enforcement_due ON enforcement (nas_id, next_at) WHERE state = 'due'",
    """CREATE INDEX ix_enforcement_open ON enforcement (tenant_id, session_id)
        WHERE state <> 'done'""",
    # Whose time is up is asked for every few seconds.
    """CREATE INDEX ix_entitlement_valid_until ON entitlement (valid_until)
        WHERE valid_until IS NOT NULL""",
)

RIGHTS = protect("enforcement", app="SELECT", node="SELECT, INSERT, UPDATE, DELETE")


def upgrade() -> None:
    connection = op.get_bind()
    for statement in (*TABLES, *RIGHTS):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
