"""What the alerts of deploy/prometheus say of made-up series, asked of Prometheus' own tool."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.test_dashboards import ALERTS

UP = {
    'up{job="eu", site="eu"}': "1x200",
    'live_redis_up{job="eu", site="eu"}': "1x200",
    'live_postgres_up{job="eu", site="eu"}': "1x200",
    'live_dispatch_batches_total{job="eu", site="eu", process="dispatcher-web1-1"}': "0+9x200",
    'live_queue_length{job="eu", site="eu", queue="dispatch"}': "3x200",
    'live_task_interval_seconds{job="eu", site="eu", process="jobs-web1-1", task="recount"}': "300x200",
    # Each fifth minute; the jobs were started again in between.
    'live_task_last_success_timestamp_seconds{job="eu", site="eu", process="jobs-web1-1", task="recount"}': (
        "0 0 0 0 0 300x4 600x4 900x4 1200x4 0 0 0 0 0 1800+60x175"
    ),
    # Once a day, so not yet.
    'live_task_interval_seconds{job="eu", site="eu", process="jobs-web1-1", task="forget-guests"}': "86400x200",
    'live_task_last_success_timestamp_seconds{job="eu", site="eu", process="jobs-web1-1", task="forget-guests"}': (
        "0x200"
    ),
    'process_start_time_seconds{job="eu", site="eu", process="jobs-web1-1"}': "1x20 1500x180",
    # For some thirty days.
    'live_tls_certificate_end_timestamp_seconds{job="eu", site="eu", process="node-web1-1", made_by="authority"}': (
        "2600000x200"
    ),
    'live_tls_renewal_failures{job="eu", site="eu", process="node-web1-1", directory="https://ca/d"}': "0x200",
    'live_http_requests_total{job="eu", site="eu", kind="api", status="200"}': "0+600x200",
    'live_http_requests_total{job="eu", site="eu", kind="api", status="503"}': "0+3x200",
    'live_http_requests_total{job="eu", site="eu", kind="probe", status="503"}': "0+600x200",
}
"""A site where all is well, a value a minute. Nobody calls the job liveplatform."""


def of_us(name: str) -> str:
    return name.replace('"eu"', '"us"')


def fired(tmp_path: Path, changed: dict[str, str | None]) -> set[str]:
    """Return the alerts of the region us that fire in its third hour, where these series differ; eu is well."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool: none, the alerts are not tried (apt install prometheus)")
    series = {**UP, **{of_us(name): values for name, values in UP.items()}, **{of_us(n): v for n, v in changed.items()}}
    names = [line.split()[-1] for line in ALERTS.read_text().splitlines() if "- alert: " in line]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items() if values],
        "alert_rule_test": [{"eval_time": "3h", "alertname": name, "exp_alerts": []} for name in names],
    }
    asked = tmp_path / "test.yml"
    asked.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", asked], capture_output=True, text=True)
    text = done.stdout + done.stderr
    assert 'site="eu"' not in text, text
    found = {name for name in names if f"alertname: {name}," in text}
    assert bool(found) == bool(done.returncode), text
    return found


@pytest.mark.parametrize(
    ("changed", "alerts"),
    [
        ({}, set()),
        ({'up{job="eu", site="eu"}': "0x200"}, {"LiveFiguresMissing"}),
        ({'live_postgres_up{job="eu", site="eu"}': "0x200"}, {"LiveDatabaseAway"}),
        (
            {'live_redis_up{job="eu", site="eu"}': "0x200", **{name: None for name in UP if "process" in name}},
            {"LiveRedisAway"},
        ),
        ({name: None for name in UP if "dispatcher" in name}, {"LiveDispatcherMissing"}),
        ({name: None for name in UP if "live_task" in name}, {"LiveJobsMissing"}),
        ({name: "400x200" for name in UP if "queue" in name}, {"LiveQueueLong"}),
        ({name: "300x200" for name in UP if "last_success" in name and "recount" in name}, {"LiveTaskLate"}),
        ({name: "0x200" for name in UP if "last_success" in name and "recount" in name}, {"LiveTaskLate"}),
        ({name: "600000x200" for name in UP if "certificate_end" in name}, {"LiveCertificateEnds"}),
        ({name: "3x200" for name in UP if "renewal_failures" in name}, set()),
        (
            {
                **{name: None for name in UP if "certificate_end" in name},
                **{name: "3x200" for name in UP if "renewal_failures" in name},
                'live_tls_certificate_end_timestamp_seconds{job="eu", site="eu", made_by="itself"}': "300000000x200",
            },
            {"LiveCertificateMissing"},
        ),
        ({name: "0+30x200" for name in UP if 'kind="api", status="503"' in name}, {"LiveErrors"}),
    ],
)
def test_each_alert_is_of_its_site_whatever_the_job_is_called(
    tmp_path: Path, changed: dict[str, str | None], alerts: set[str]
) -> None:
    """With jobs named by region a dead site was silent, and `absent()` was content with any other site's dispatcher."""
    assert fired(tmp_path, changed) == alerts
