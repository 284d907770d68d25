import uuid
from datetime import UTC, datetime

from django.db import migrations

# The month partitions that a new database begins with; a daily job makes the later ones.
MONTHS = 13


def floor(year_month):
    at = datetime(year_month // 12, year_month % 12 + 1, 1, tzinfo=UTC)
    return uuid.UUID(int=int(at.timestamp() * 1000) << 80)


def make_partitions(apps, schema_editor):
    now = datetime.now(UTC)
    first = now.year * 12 + now.month - 1
    for month in range(first, first + MONTHS):
        schema_editor.execute(
            f"CREATE TABLE agent_run_events_{month // 12}_{month % 12 + 1:02d}"
            f" PARTITION OF agent_run_events"
            f" FOR VALUES FROM ('{floor(month)}') TO ('{floor(month + 1)}')"
        )


def drop_partitions(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'agent_run_events'::regclass"
        )
        names = [row[0] for row in cursor.fetchall()]
    for name in names:
        schema_editor.execute(f'DROP TABLE "{name}"')


GUARDS = """
-- Ids from before the first month (imported runs) have a place too.
CREATE TABLE agent_run_events_default PARTITION OF agent_run_events DEFAULT;

CREATE FUNCTION agent_run_events_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('taskmapr.erasing', true) = 'on' THEN
    RETURN CASE TG_OP WHEN 'UPDATE' THEN NEW ELSE OLD END;
  END IF;
  RAISE EXCEPTION 'agent_run_events is append-only (% refused)', TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER agent_run_events_append_only BEFORE UPDATE OR DELETE ON agent_run_events
  FOR EACH ROW EXECUTE FUNCTION agent_run_events_refuse();
CREATE TRIGGER agent_run_events_no_truncate BEFORE TRUNCATE ON agent_run_events
  FOR EACH STATEMENT EXECUTE FUNCTION agent_run_events_refuse();

-- The published name of conversation threads.
CREATE VIEW agent_threads AS
  SELECT session_id AS thread_id, session_id, user_id, title, created_at, updated_at
  FROM agent_sessions;
"""

UNGUARD = """
DROP VIEW agent_threads;
DROP TRIGGER agent_run_events_no_truncate ON agent_run_events;
DROP TRIGGER agent_run_events_append_only ON agent_run_events;
DROP FUNCTION agent_run_events_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("orchestration", "0001_initial")]

    operations = [
        migrations.RunPython(make_partitions, drop_partitions),
        migrations.RunSQL(GUARDS, UNGUARD),
    ]
