"""How a NAS is reached for changes, how it counts, and how a record's NAS counted then.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """ALTER TABLE nas
        ADD COLUMN coa_port INTEGER,
        ADD COLUMN coa_secret_sealed BYTEA,
        ADD COLUMN swap_octets BOOLEAN DEFAULT 'false' NOT NULL,
        ADD COLUMN swapped_at TIMESTAMP WITH TIME ZONE[] DEFAULT '{}' NOT NULL,
        ADD COLUMN line_bps BIGINT,
        ADD COLUMN sends_gigawords BOOLEAN DEFAULT 'false' NOT NULL,
        ADD CONSTRAINT ck_nas_coa_port CHECK (coa_port BETWEEN 1 AND 65535),
        ADD CONSTRAINT ck_nas_line_bps CHECK (line_bps BETWEEN 1 AND 100000000000000)""",
    # Whoever changes it, by whatever means: sessions keep the direction that they began with.
    """CREATE FUNCTION turnpike_note_swap() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        NEW.swapped_at := array_append(OLD.swapped_at, now());
        RETURN NEW;
    END $$""",
    """CREATE TRIGGER note_swap BEFORE UPDATE OF swap_octets ON nas FOR EACH ROW
    WHEN (OLD.swap_octets IS DISTINCT FROM NEW.swap_octets)
    EXECUTE FUNCTION turnpike_note_swap()""",
    # A node learns it from records (`accounting.nas_views`), and may write nothing else here.
    "GRANT UPDATE (sends_gigawords) ON nas TO turnpike_node",
    "ALTER TABLE accounting_record ADD COLUMN counted_as BIGINT",
    "GRANT UPDATE (counted_as) ON accounting_record TO turnpike_node",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
