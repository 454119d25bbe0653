from django.db import migrations, models

from realtime.indexes import AddIndexMeanwhile


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("realtime", "0002_fewer_indexes")]

    operations = [
        migrations.AddField(
            model_name="audience",
            name="is_open",
            field=models.BooleanField(db_default=True, default=True),
        ),
        AddIndexMeanwhile(
            "audience",
            models.Index(condition=models.Q(("is_open", True)), fields=["topic"], name="audience_open"),
        ),
    ]
