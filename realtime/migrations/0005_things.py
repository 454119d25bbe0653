from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("realtime", "0004_drawn_epoch"),
    ]

    operations = [
        migrations.AddField(
            model_name="loggedevent",
            name="thing",
            field=models.CharField(blank=True, db_default="", max_length=64),
        ),
        migrations.AddIndex(
            model_name="loggedevent",
            index=models.Index(
                condition=models.Q(("thing", ""), _negated=True), fields=["topic", "thing"], name="event_thing"
            ),
        ),
    ]
