"""For a Locust master whose workers are `kms-sim load --locust-master`.

The master only spreads users over workers, so the task below never runs unless a Python worker joins.
Workers also send HdrHistograms at microsecond resolution, because Locust rounds to whole milliseconds.
With the package hdrhistogram installed, the master merges them and writes `kms-histograms.json` at the
end of a test: percentiles in microseconds per row.
"""

import json
import logging

from locust import User, constant, events, task

try:
    from hdrh.histogram import HdrHistogram
except ImportError:
    HdrHistogram = None

PERCENTILES = (50, 90, 99, 99.9, 100)
histograms = {}


class KmsUser(User):
    wait_time = constant(1)

    @task
    def exchange(self):
        logging.warning("a Python worker has no KMS client: start kms-sim load --locust-master instead")


def merge(environment, msg, **_kwargs):
    key = (msg.data["method"], msg.data["name"])
    if HdrHistogram is None:
        return
    part = HdrHistogram.decode(msg.data["histogram"])
    if key in histograms:
        histograms[key].add(part)
    else:
        histograms[key] = part


@events.init.add_listener
def listen(environment, **_kwargs):
    if hasattr(environment.runner, "worker_index") or environment.runner is None:
        return
    environment.runner.register_message("kms_histogram", merge)


@events.test_start.add_listener
def forget(environment, **_kwargs):
    histograms.clear()


@events.quit.add_listener
def write(**_kwargs):
    if not histograms:
        return
    rows = [
        {
            "method": method,
            "name": name,
            "requests": histogram.get_total_count(),
            "latency_us": {f"p{p}": histogram.get_value_at_percentile(p) for p in PERCENTILES},
        }
        for (method, name), histogram in sorted(histograms.items())
    ]
    with open("kms-histograms.json", "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=2)
