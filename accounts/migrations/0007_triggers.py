from django.db import migrations

from realtime.triggers import AddTriggerMeanwhile


def trigger(table: str, name: str, when: str, column: str = "") -> AddTriggerMeanwhile:
    return AddTriggerMeanwhile(f"recheck_{name}", table, when, f"accounts_recheck('{column}')")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("accounts", "0006_rechecks"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("sessions", "0001_initial"),
    ]

    operations = [
        trigger(
            "accounts_viewer",
            "changed",
            "UPDATE OF is_active, password, is_superuser, is_hidden ON {table} FOR EACH ROW"
            " WHEN ((OLD.is_active, OLD.password, OLD.is_superuser, OLD.is_hidden)"
            " IS DISTINCT FROM (NEW.is_active, NEW.password, NEW.is_superuser, NEW.is_hidden))",
            "id",
        ),
        trigger("accounts_viewer", "gone", "DELETE ON {table} FOR EACH ROW", "id"),
        trigger("accounts_viewer", "all", "TRUNCATE ON {table}"),
        # What has expired already needs no look, and may be much. Who looks every few seconds has seen that.
        trigger(
            "django_session",
            "gone",
            "DELETE ON {table} FOR EACH ROW WHEN (OLD.expire_date > now() - interval '1 hour')",
            "session_key",
        ),
        trigger(
            "django_session",
            "changed",
            "UPDATE OF session_key, expire_date ON {table} FOR EACH ROW"
            " WHEN (NEW.expire_date < OLD.expire_date OR NEW.session_key <> OLD.session_key)",
            "session_key",
        ),
        trigger("django_session", "all", "TRUNCATE ON {table}"),
        *(
            trigger(table, name, "INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW", "viewer_id")
            for table, name in (
                ("accounts_viewer_user_permissions", "changed"),
                ("accounts_viewer_groups", "changed"),
            )
        ),
        trigger("auth_group_permissions", "changed", "INSERT OR UPDATE OR DELETE ON {table}"),
    ]
