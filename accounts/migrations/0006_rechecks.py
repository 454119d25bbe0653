import django.contrib.postgres.functions
import django.db.models.functions.datetime
from django.db import migrations, models

# A table whose rows name a viewer or a session: `TG_ARGV[0]` is the column. Without one, it may be anybody.
FUNCTION = """
CREATE OR REPLACE FUNCTION accounts_recheck() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO accounts_recheck (transaction, viewer, session)
  SELECT pg_current_xact_id()::text::bigint,
    CASE WHEN TG_ARGV[0] <> 'session_key' THEN coalesce(id, '') ELSE '' END,
    CASE WHEN TG_ARGV[0] = 'session_key' THEN coalesce(id, '') ELSE '' END
  FROM (SELECT to_jsonb(OLD) ->> TG_ARGV[0] UNION SELECT to_jsonb(NEW) ->> TG_ARGV[0]) AS named (id)
  WHERE id IS NOT NULL OR TG_LEVEL = 'STATEMENT';
  RETURN NULL;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_plurals")]

    operations = [
        migrations.CreateModel(
            name="Recheck",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("transaction", models.BigIntegerField(db_index=True)),
                ("viewer", models.CharField(db_default="", max_length=40)),
                ("session", models.CharField(db_default="", max_length=40)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION accounts_recheck()"),
    ]
