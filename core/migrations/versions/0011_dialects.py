"""What a NAS's dialect needs to be told: its unit, the names of its lines and of what it has;
and what a plan says to boxes alone.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision: str | None = "0010"
branch_labels = None
depends_on = None

STATEMENTS = (
    """ALTER TABLE nas
        ADD COLUMN octet_unit INTEGER DEFAULT '1' NOT NULL,
        ADD COLUMN line_patterns JSONB DEFAULT '{}' NOT NULL,
        ADD COLUMN name_templates JSONB DEFAULT '{}' NOT NULL,
        ADD CONSTRAINT ck_nas_octet_unit CHECK
            (octet_unit IN (1, 1000, 1024, 1000000, 1048576, 1000000000, 1073741824))""",
    "ALTER TABLE profile ADD COLUMN on_nas JSONB DEFAULT '{}' NOT NULL",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
