"""A broker, topics, deployments in a directory of their own, and processes of them to be hurt."""

import contextlib
import json
import os
import pathlib
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

import checker

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("WEIR_BIN", CHECKOUT / "build/dev/bin"))
if not (BIN / "ingest").exists():
    sys.exit(f"{BIN} has no programs: cmake --preset dev && cmake --build --preset dev")
PARTITIONS = 4
LOG_APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}
WINDOW_MS, BUCKETS = 24 * 3600 * 1000, 4


def ops_kafka(*words):
    """What it prints."""
    done = subprocess.run([CHECKOUT / "ops/kafka", *map(str, words)], capture_output=True,
                          text=True)
    if done.returncode:
        raise AssertionError(f"ops/kafka {words}: {done.stderr}")
    return done.stdout.strip()


def bootstrap(*options):
    """Of the run's own broker, or of the one in WEIR_BOOTSTRAP. `options`: of `ops/kafka start`."""
    return ops_kafka("start", *options).splitlines()[-1].removeprefix("bootstrap=")


class OwnBroker:
    """A broker to be hurt, in a directory of its own; with --nodes 3 a cluster, of which a `node`
    is 1, 2 or 3. Goes with the test or the class that `cleanup` belongs to."""

    def __init__(self, cleanup, *options):
        """`options`: of `ops/kafka start`, which keeps them."""
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="weir-broker."))
        cleanup(shutil.rmtree, self.directory, ignore_errors=True)
        cleanup(ops_kafka, "stop", *self.place())
        self.address = bootstrap(*options, *self.place())

    def broker_address(self):
        """Of the brokers' own listener: plain text, whatever --properties make of the clients'."""
        port = json.loads((self.directory / "broker.json").read_text())["broker_port"]
        return f"127.0.0.1:{port}"

    def place(self, node=None):
        return "--dir", self.directory / str(node) if node else self.directory

    def start(self, node=None):
        bootstrap(*self.place(node))

    def stop(self, node=None):
        ops_kafka("stop", "--keep", *self.place(node))

    def kill(self, node=None):
        ops_kafka("kill", *self.place(node))

    @contextlib.contextmanager
    def frozen(self):
        """Takes connections in this context, and answers nothing."""
        pid = json.loads((self.directory / "broker.json").read_text())["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def away(self):
        """Killed in this context; it is there again after it."""
        self.kill()
        try:
            yield
        finally:
            self.start()


class Site:
    """Topics, a directory of deployments and processes of them on a broker. Use as a context: ends
    every process and removes the directory."""

    def __init__(self, brokers, seed, **kafka):
        """`kafka`: properties of the deployments' clients, with _ for each dot."""
        self.random = random.Random(seed)
        self.brokers = brokers
        self.kafka = {"bootstrap.servers": brokers, "session.timeout.ms": "6000",
                      **{name.replace("_", "."): str(value) for name, value in kafka.items()}}
        self.name = f"t{secrets.token_hex(5)}"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="weir-lab."))
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def create_topics(self, partitions, *names, **configs):
        admin = KafkaAdminClient(bootstrap_servers=self.brokers)
        admin.create_topics([NewTopic(n, partitions, 1, topic_configs=configs) for n in names])
        # The controller has them; the broker learns of it a moment later.
        wait_for(lambda: set(names) <= set(admin.list_topics()), what=f"topics {names}")
        admin.close()

    def deploy(self, deployment, text):
        """The file of a deployment: `text`, and what all of them share."""
        config = self.directory / f"{deployment}.yaml"
        config.write_text(f"""stage: {deployment.split("-")[0]}
proto: [{CHECKOUT}/proto]
state: {self.directory}/state
kafka: {json.dumps(self.kafka)}
{text}""")
        return config

    def run(self, config, *arguments, instance="0", log_to=None, **environment):
        """A process of the deployment. `log_to`: a descriptor instead of what log() reads."""
        with open(self.directory / "log", "ab") as log:
            process = subprocess.Popen(
                [BIN / config.stem.split("-")[0], "run", config, *arguments],
                stdout=log_to or log, stderr=log_to or log, stdin=subprocess.DEVNULL,
                cwd=self.directory, env={**os.environ, "WEIR__INSTANCE": instance, **environment})
        self.processes.append(process)
        return process

    def endpoint(self, config, instance="0"):
        """HOST:PORT of a process of the deployment; waits until it says so."""
        files = f"state/run/{config.stem}.v*-{instance}.json"
        wait_for(lambda: list(self.directory.glob(files)), what=f"{files}")
        [file] = self.directory.glob(files)
        return json.loads(file.read_text())["http"]

    def run_to_end(self, config, instances=("0",), timeout=90):
        """Runs what is left to its end."""
        for process in [self.run(config, "--until-end", instance=i) for i in instances]:
            code = process.wait(timeout)
            if code != 0:
                raise AssertionError(f"the last run ended with {code}:\n{self.log()[-3000:]}")

    def log(self):
        return (self.directory / "log").read_text()


class Lab(Site):
    """A deployment of the stage `ingest`."""

    def __init__(self, brokers, seed, lanes=2, **kafka):
        super().__init__(brokers, seed, **kafka)
        self.raw = f"raw.{self.name}"
        self.deployment = f"ingest-{self.name}"
        self.group = f"{self.deployment}.v1"
        self.output = f"{self.name}.v1"
        self.dead_letters = f"{self.deployment}.dead_letters.v1"
        self.text = f"""
name: {self.name}
inputs:
  events:
    topic: {self.raw}
    message: comments.v1.Comment
    dedup: {{key: [comment_id], window: 24h, buckets: {BUCKETS}}}
outputs:
  events: {{dataset: {self.name}}}
lanes: {lanes}
"""
        self.config = self.deploy(self.deployment, self.text)
        self.raw_settings = LOG_APPEND_TIME
        self.ids = []

    def __enter__(self):
        self.create_topics(PARTITIONS, self.raw, **self.raw_settings)
        self.create_topics(PARTITIONS, self.output, self.dead_letters)
        return self

    def start(self, *arguments, **options):
        return self.run(self.config, *arguments, **options)

    def finish(self, instances=("0",), timeout=90):
        self.run_to_end(self.config, instances, timeout)

    def produce(self, count, aborted=True, stop=None):
        """Comments of which one in ten is a retry of an earlier one (near or far, on its partition)
        and one in fifty is garbage; one in twenty, if `aborted`, in an upstream transaction that is
        aborted. With `stop`: slowly, and until it is set."""
        plain = KafkaProducer(bootstrap_servers=self.brokers, linger_ms=5)
        upstream = None
        if aborted:
            upstream = KafkaProducer(bootstrap_servers=self.brokers, transactional_id=self.name,
                                     linger_ms=5)
            upstream.init_transactions()
        ids = self.ids
        for _ in range(count):
            if stop and stop.wait(0.003):
                break
            chance = self.random.random()
            if chance < 0.02:
                value = b'{"comment_id": "cut'
                partition = self.random.randrange(PARTITIONS)
            else:
                if chance < 0.12 and ids:
                    key = self.random.choice(ids if chance < 0.07 else ids[-20:])
                else:
                    key = f"c{len(ids)}"
                    ids.append(key)
                partition = partition_of(key)
                value = json.dumps({"comment_id": key, "content": "x" * 50}).encode()
            if upstream and self.random.random() < 0.05:
                upstream.begin_transaction()
                upstream.send(self.raw, value=value, partition=partition)
                upstream.flush()
                upstream.abort_transaction()
            else:
                plain.send(self.raw, value=value, partition=partition)
        try:
            plain.flush(timeout=60)
        finally:
            plain.close(timeout=5)
        if upstream:
            upstream.close()

    @contextlib.contextmanager
    def load(self, aborted=True):
        """Produces until the end of the context; while the broker is away tries to."""
        done = threading.Event()

        def feed():
            while not done.wait(0.1):
                with contextlib.suppress(KafkaError):
                    self.produce(60, aborted)
        feeding = threading.Thread(target=feed)
        feeding.start()
        try:
            yield
        finally:
            done.set()
            feeding.join()

    def wait_until_processed(self, timeout=60):
        """Until the group has committed past everything that the input holds now."""
        consumer = KafkaConsumer(bootstrap_servers=self.brokers, isolation_level="read_committed")
        ends = consumer.end_offsets([TopicPartition(self.raw, p) for p in range(PARTITIONS)])
        consumer.close()
        ends = {p.partition: end for p, end in ends.items()}
        now = {}

        def is_past():
            with contextlib.suppress(KafkaError):  # its coordinator is about to be there again
                now.update({p: offset for p, (offset, _) in
                            checker.committed(self.brokers, self.group, self.raw).items()})
            return all(now.get(p, -1) >= end for p, end in ends.items())
        wait_for(is_past, timeout, lambda: f"a commit at {ends} (the group stands at {now}):\n"
                 f"{self.log()[-3000:]}\nThat commit")

    def verdict(self, before_ms=None):
        return checker.verdict(
            self.brokers, self.raw, self.output, self.dead_letters, self.group,
            checker.json_id("comment_id"), lambda value: checker.string_field(value, 1), WINDOW_MS,
            BUCKETS, before_ms)


@contextlib.contextmanager
def administration(brokers):
    admin = KafkaAdminClient(bootstrap_servers=brokers)
    try:
        yield admin
    finally:
        admin.close()


def delete_topic(it, topic=None):
    """The input unless told another."""
    topic = topic or it.raw
    with administration(it.brokers) as admin:
        admin.delete_topics([topic])
        wait_for(lambda: topic not in admin.list_topics(), what="the deletion")


def create_again(it):
    """The input."""
    delete_topic(it)
    it.create_topics(PARTITIONS, it.raw, **LOG_APPEND_TIME)


def partition_of(key):
    """The same in each run, unlike hash()."""
    return zlib.crc32(key.encode()) % PARTITIONS


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def wait_until_paused(process):
    """By WEIR_PAUSE_AT; SIGCONT makes it go on."""
    def is_paused():
        if process.poll() is not None:
            raise AssertionError(f"it ended with {process.returncode} instead")
        return os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
    wait_for(is_paused, what="the pause")


def end(process, timeout=30):
    """Tells it to drain; its exit code."""
    process.terminate()
    return process.wait(timeout)


def wait_for(condition, timeout=60, what="the condition"):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            what = what() if callable(what) else what
            raise AssertionError(f"{what} did not come within {timeout} s")
        time.sleep(0.05)
