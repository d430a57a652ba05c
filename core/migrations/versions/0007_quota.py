"""Quotas of plans, what of them is used, thresholds that were crossed.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

from core.changes import note_changes
from core.tenancy import protect

revision = "0007"
down_revision: str | None = "0006"
branch_labels = None
depends_on = None

TABLES = (
    "ALTER TABLE tenant ADD timezone TEXT DEFAULT 'UTC' NOT NULL",
    """ALTER TABLE profile
        ADD quota_octets BIGINT,
        ADD quota_time_s BIGINT,
        ADD quota_direction TEXT DEFAULT 'total' NOT NULL,
        ADD quota_window TEXT DEFAULT 'anchor' NOT NULL,
        ADD at_quota TEXT DEFAULT 'nothing' NOT NULL,
        ADD fup_download_bps BIGINT,
        ADD fup_upload_bps BIGINT,
        ADD zones JSONB DEFAULT '[]' NOT NULL,
        ADD thresholds INTEGER[] DEFAULT '{80,100,120}' NOT NULL,
        ADD CONSTRAINT ck_profile_quota CHECK (quota_octets > 0 AND quota_time_s > 0),
        ADD CONSTRAINT ck_profile_quota_direction
            CHECK (quota_direction IN ('total', 'download', 'upload')),
        ADD CONSTRAINT ck_profile_quota_window
            CHECK (quota_window IN ('anchor', 'calendar', 'day', 'rolling', 'none')),
        ADD CONSTRAINT ck_profile_at_quota
            CHECK (at_quota IN ('throttle', 'block', 'walled_garden', 'nothing'))""",
    """CREATE INDEX ix_profile_with_quota ON profile (id)
        WHERE quota_octets IS NOT NULL OR quota_time_s IS NOT NULL""",
    "ALTER TABLE subscriber ADD quota_anchor DATE",
    # Who was there before has his quota's months begin on the day of the upgrade.
    "ALTER TABLE entitlement ADD made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL",
    """CREATE TABLE quota_usage (
        subscriber_id BIGINT NOT NULL,
        starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ends_at TIMESTAMP WITH TIME ZONE,
        tenant_id BIGINT NOT NULL,
        rule TEXT NOT NULL,
        octets NUMERIC NOT NULL,
        time_s NUMERIC NOT NULL,
        unsettled_since TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_quota_usage PRIMARY KEY (subscriber_id, starts_at),
        CONSTRAINT fk_quota_usage_tenant_id_subscriber_id FOREIGN KEY(tenant_id, subscriber_id)
            REFERENCES subscriber (tenant_id, id) ON DELETE CASCADE
    ) WITH (fillfactor = 70)""",
    """CREATE TABLE quota_crossing (
        subscriber_id BIGINT NOT NULL,
        window_starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
        threshold INTEGER NOT NULL,
        tenant_id BIGINT NOT NULL,
        quota_octets BIGINT,
        quota_time_s BIGINT,
        crossed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_quota_crossing PRIMARY KEY (subscriber_id, window_starts_at, threshold),
        CONSTRAINT fk_quota_crossing_tenant_id_subscriber_id FOREIGN KEY(tenant_id, subscriber_id)
            REFERENCES subscriber (tenant_id, id) ON DELETE CASCADE
    )""",
    """CREATE TABLE quota_state (
        subscriber_id BIGINT NOT NULL,
        tenant_id BIGINT NOT NULL,
        window_starts_at TIMESTAMP WITH TIME ZONE,
        window_ends_at TIMESTAMP WITH TIME ZONE,
        octets BIGINT DEFAULT '0' NOT NULL,
        time_s BIGINT DEFAULT '0' NOT NULL,
        quota_octets BIGINT,
        quota_time_s BIGINT,
        CONSTRAINT pk_quota_state PRIMARY KEY (subscriber_id),
        CONSTRAINT fk_quota_state_tenant_id_subscriber_id FOREIGN KEY(tenant_id, subscriber_id)
            REFERENCES subscriber (tenant_id, id) ON DELETE CASCADE
    ) WITH (fillfactor = 70)""",
)

# What logins were told was a sum under a rule.  Under another one it would keep somebody
# blocked whose usage, by which it is told anew, can then never come: so it ends at once.
_ANEW = {
    "profile": """SELECT array_agg(e.subscriber_id)
        FROM before AS o JOIN after AS n ON n.id = o.id
        JOIN entitlement AS e ON e.tenant_id = n.tenant_id AND e.profile_id = n.id
        WHERE (o.quota_direction, o.quota_window, o.zones)
            IS DISTINCT FROM (n.quota_direction, n.quota_window, n.zones)""",
    "entitlement": """SELECT array_agg(n.subscriber_id)
        FROM before AS o JOIN after AS n ON n.subscriber_id = o.subscriber_id
        JOIN profile AS p ON p.id = o.profile_id JOIN profile AS f ON f.id = n.profile_id
        WHERE (p.quota_direction, p.quota_window, p.zones)
            IS DISTINCT FROM (f.quota_direction, f.quota_window, f.zones)""",
    "subscriber": """SELECT array_agg(n.id) FROM before AS o JOIN after AS n ON n.id = o.id
        WHERE o.quota_anchor IS DISTINCT FROM n.quota_anchor""",
}
ANEW = (
    # With the owner's rights, and in the order in which ingest locks.
    """CREATE FUNCTION turnpike_quota_anew(ids bigint[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    BEGIN
        PERFORM FROM quota_state WHERE subscriber_id = ANY (ids)
            ORDER BY subscriber_id FOR UPDATE;
        DELETE FROM quota_crossing AS c USING quota_state AS q
            WHERE q.subscriber_id = ANY (ids) AND c.subscriber_id = q.subscriber_id
            AND c.window_starts_at >= q.window_starts_at;
        UPDATE quota_state SET window_ends_at = now()
            WHERE subscriber_id = ANY (ids) AND coalesce(window_ends_at > now(), true);
    END $$""",
    "REVOKE EXECUTE ON FUNCTION turnpike_quota_anew(bigint[]) FROM PUBLIC",
    *(
        statement
        for table, found in _ANEW.items()
        for statement in (
            f"""CREATE FUNCTION turnpike_quota_anew_{table}() RETURNS trigger
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
            DECLARE
                ids bigint[] := ({found});
            BEGIN
                IF ids IS NOT NULL THEN
                    PERFORM turnpike_quota_anew(ids);
                END IF;
                RETURN NULL;
            END $$""",
            f"REVOKE EXECUTE ON FUNCTION turnpike_quota_anew_{table}() FROM PUBLIC",
            f"CREATE TRIGGER quota_anew AFTER UPDATE ON {table}"
            " REFERENCING OLD TABLE AS before NEW TABLE AS after"
            f" FOR EACH STATEMENT EXECUTE FUNCTION turnpike_quota_anew_{table}()",
        )
    ),
)

RIGHTS = (
    *protect("quota_usage", app="SELECT", node="SELECT, INSERT, UPDATE, DELETE"),
    *protect("quota_crossing", app="SELECT", node="SELECT, INSERT, UPDATE"),
    *protect("quota_state", app="SELECT", node="SELECT, INSERT, UPDATE"),
)

CHANGES = (
    *note_changes("quota_state", "subscriber", entity="subscriber_id"),
    "CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON quota_state"
    " FOR EACH STATEMENT EXECUTE FUNCTION turnpike_refuse_truncate()",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in (*TABLES, *ANEW, *RIGHTS, *CHANGES):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    raise NotImplementedError("forward only: going back is restoring the backup")
