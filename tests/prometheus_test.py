"""A real Prometheus scrapes a running stage, and what it then knows is what happened."""

import json
import pathlib
import shutil
import socket
import subprocess
import sys
import unittest
import urllib.parse
import urllib.request

sys.path.append(str(pathlib.Path(__file__).resolve().parent / "faults"))
import checker  # noqa: E402
import lab  # noqa: E402


class Prometheus:
    """Scrapes one address five times a second. Use as a context."""

    def __init__(self, directory, target):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = "127.0.0.1:%d" % free.getsockname()[1]
        self.log = directory / "prometheus.log"
        config = directory / "prometheus.yml"
        config.write_text(f"""global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: weir
    static_configs: [{{targets: ["{target}"]}}]
""")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--web.listen-address={self.address}",
                 f"--storage.tsdb.path={directory}/prometheus"], stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def value(self, query):
        """Of an expression whose result is one number; None: no result yet."""
        if self.process.poll() is not None:
            raise AssertionError(f"prometheus ended:\n{self.log.read_text()[-2000:]}")
        url = f"http://{self.address}/api/v1/query?" + urllib.parse.urlencode({"query": query})
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                found = json.load(answer)["data"]["result"]
        except OSError:
            return None  # it is starting
        return float(found[0]["value"][1]) if len(found) == 1 else None


class PrometheusTest(unittest.TestCase):
    def test_lag_rate_duplicates_and_dead_letters_arrive_as_they_are(self):
        self.assertIsNotNone(shutil.which("prometheus"), "ops/setup installs it")
        with lab.Lab(lab.bootstrap(), seed=5) as it:
            it.start()
            target = it.endpoint(it.config)
            mine = f'deployment="{it.deployment}"'
            with Prometheus(it.directory, target) as prometheus:

                def wait_for(query, wanted):
                    lab.wait_for(lambda: prometheus.value(query) == wanted, timeout=30,
                                 what=f"{query} = {wanted}")

                wait_for('up{job="weir"}', 1)
                wait_for(f"sum(weir_assigned_partitions{{{mine}}})", lab.PARTITIONS)
                wait_for(f"sum(weir_records_consumed_total{{{mine}}})", 0)
                wait_for(f"sum(weir_records_dead_lettered_total{{{mine}}})", 0)
                it.produce(500, aborted=False)
                records, emitted, dead = self.outcome(it)
                self.assertTrue(0 < dead < emitted < records - dead, "a sample of each")
                wait_for(f"sum(weir_records_consumed_total{{{mine}}})", records)
                wait_for(f"sum(weir_duplicates_total{{{mine}}})", records - emitted - dead)
                wait_for(f'sum(weir_dead_letters_total{{{mine}, reason="invalid_json"}})', dead)
                wait_for(f"sum(weir_records_dead_lettered_total{{{mine}}})", dead)
                self.assertGreater(prometheus.value(
                    f"sum(increase(weir_records_dead_lettered_total{{{mine}}}[1m]))"), 0)
                wait_for(f"count(weir_lag_records{{{mine}}})", lab.PARTITIONS)
                wait_for(f"sum(weir_lag_records{{{mine}}})", 0)
                wait_for(f"max(weir_lag_seconds{{{mine}}})", 0)
                self.assertGreater(
                    prometheus.value(f"sum(rate(weir_records_consumed_total{{{mine}}}[1m]))"), 0)
                self.assertEqual(prometheus.value('min_over_time(up{job="weir"}[1m])'), 1)

    def outcome(self, it):
        """By the rule as it is written: how many records, events and dead letters."""
        log = checker.read(it.brokers, it.raw)
        key_of = checker.json_id("comment_id")
        expected = [checker.expect(records, key_of, lab.WINDOW_MS, lab.BUCKETS)
                    for records in log.values()]
        return (sum(map(len, log.values())), sum(len(emitted) for emitted, _ in expected),
                sum(len(dead) for _, dead in expected))


if __name__ == "__main__":
    unittest.main()
