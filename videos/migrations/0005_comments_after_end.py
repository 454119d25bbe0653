from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("videos", "0004_comment_index"),
    ]

    operations = [
        migrations.AddField(
            model_name="video",
            name="comments_after_end",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Viewers may comment when it has ended. What they write is marked.",
                verbose_name="comments after the end",
            ),
        ),
    ]
