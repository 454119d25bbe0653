from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_language"),
    ]

    operations = [
        migrations.AddField(
            model_name="viewer",
            name="name_key",
            field=models.CharField(db_default="", default="", editable=False, max_length=100),
        ),
        migrations.AddField(
            model_name="viewer",
            name="came_to",
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="viewer",
            index=models.Index(fields=["name_key", "is_guest", "-id"], name="viewer_name_key"),
        ),
    ]
