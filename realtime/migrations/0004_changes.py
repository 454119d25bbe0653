import django.db.models.functions.datetime
from django.db import migrations, models

# The number of the transaction that writes the head of a topic. Its own, also inside a savepoint.
CHANGED = """
CREATE OR REPLACE FUNCTION realtime_topic_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.changed := pg_current_xact_id()::text::bigint;
  RETURN NEW;
END $$
"""
GONE = """
CREATE OR REPLACE FUNCTION realtime_topic_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO realtime_gonetopic (transaction, topic) VALUES (pg_current_xact_id()::text::bigint, OLD.name);
  RETURN NULL;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("realtime", "0003_open_audiences")]

    operations = [
        migrations.AddField(
            model_name="topic",
            name="changed",
            field=models.BigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.CreateModel(
            name="GoneTopic",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("transaction", models.BigIntegerField(db_index=True)),
                ("topic", models.CharField(max_length=100)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.RunSQL(CHANGED, "DROP FUNCTION realtime_topic_changed()"),
        migrations.RunSQL(GONE, "DROP FUNCTION realtime_topic_gone()"),
    ]
