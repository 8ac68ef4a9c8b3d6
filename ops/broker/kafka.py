"""A real Apache Kafka on this machine, one KRaft node per directory: the code behind ops/kafka.

Everything of a broker is in its directory: broker.json (what it is: version, ports, cluster id,
process), server.properties, broker.log, log/ (Kafka's data), tmp/. A cluster's directory has one
for each of its nodes, 1, 2 and 3, and every command works on all of them or, given its directory,
on one. The jars are shared by all checkouts of a user, in
${XDG_CACHE_HOME:-~/.cache}/weir/kafka-VERSION.
"""

import argparse
import base64
import contextlib
import fcntl
import functools
import hashlib
import json
import os
import pathlib
import random
import select
import shutil
import signal
import socket
import string
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
VERSIONS = sorted((p.parent.name for p in HERE.glob("*/pom.xml")), reverse=True)
START_SECONDS_MAX = 90
TERM_SECONDS_MAX = 15
NODES = 3  # of a cluster
PORTS = ("port", "broker_port", "controller_port")

EXIT_USAGE, EXIT_BYTES, EXIT_UNREACHABLE, EXIT_DISK = 64, 65, 69, 74
EXIT_TEMPORARY, EXIT_PERMISSION, EXIT_SETUP = 75, 77, 78


class Refusal(Exception):
    """The message names the thing and the way out; the code is the exit status."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def notice(message):
    print(f"ops/kafka: {message}", file=sys.stderr, flush=True)


# --- the jars ---------------------------------------------------------------------------------


def expected_sums(version):
    lines = (HERE / version / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def first_difference(version, folder):
    """What in the folder is not as SHA256SUMS says, or None."""
    for name, digest in expected_sums(version).items():
        try:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except FileNotFoundError:
            return f"{folder / name} is missing"
        if found != digest:
            return f"{folder / name} has SHA-256 {found}, expected {digest}"
    return None


def fetch_jars(version, folder):
    if not shutil.which("mvn"):
        raise Refusal(EXIT_SETUP, "Maven (mvn) is missing; ops/setup installs it")
    notice(f"fetching Apache Kafka {version} with Maven into {folder} (once)")
    staging = pathlib.Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        command = ["mvn", "-q", "-B", "-f", HERE / version / "pom.xml"]
        command += ["dependency:copy-dependencies", f"-DoutputDirectory={staging}"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
            raise Refusal(EXIT_TEMPORARY, f"Maven could not fetch Kafka {version}:\n{last}\n"
                          "is the network there? ~/.m2/settings.xml names a mirror or a proxy")
        difference = first_difference(version, staging)
        if difference:
            raise Refusal(EXIT_BYTES, f"{difference}\nnot used: what was fetched is not what "
                          f"{HERE / version / 'SHA256SUMS'} names")
        staging.chmod(0o755)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@functools.lru_cache
def jars_of(version):
    """The class path, each jar verified."""
    home = os.environ.get("KAFKA_HOME")
    if home:
        jars = sorted(pathlib.Path(home, "libs").glob("*.jar"))
        if not jars:
            raise Refusal(EXIT_SETUP, f"KAFKA_HOME is {home}, but {home}/libs has no jars; "
                          "unset it to use the pinned ones")
        return jars
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache", "weir")
    folder = cache / f"kafka-{version}"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / f"kafka-{version}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            fetch_jars(version, folder)
    difference = first_difference(version, folder)
    if difference:
        raise Refusal(EXIT_BYTES, f"{difference}\ndelete {folder} to have it fetched again")
    return [folder / name for name in expected_sums(version)]


# --- one broker -------------------------------------------------------------------------------


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the broker does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(taken):
    # Below the kernel's ephemeral range: no client's outgoing connection takes the port of a
    # broker that is down for a moment.
    for port in random.sample(range(20000, 32000), 200):
        if port not in taken and is_free(port):
            return port
    raise Refusal(EXIT_TEMPORARY, "no free port found between 20000 and 32000; give one: --port N")


def new_cluster_id():
    while True:
        text = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
        if not text.startswith("-"):  # the format tool takes that for an option
            return text


class Broker:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder).absolute()
        self.record = self.folder / "broker.json"
        self.properties = self.folder / "server.properties"
        self.log = self.folder / "broker.log"

    @contextlib.contextmanager
    def locked(self):
        """One command at a time per directory; the directory exists inside."""
        while True:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise Refusal(EXIT_USAGE, f"{self.folder} is not a directory; give another --dir")
            try:
                lock = os.open(self.folder, os.O_RDONLY)
            except FileNotFoundError:
                continue  # another command's `stop` removed it between the two calls
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                with contextlib.suppress(FileNotFoundError):
                    if os.fstat(lock).st_ino == os.stat(self.folder).st_ino:
                        yield
                        return
            finally:
                os.close(lock)

    def load(self):
        """What broker.json says, or None for a directory without a broker."""
        try:
            return json.loads(self.record.read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            raise Refusal(EXIT_DISK, f"{self.record} is damaged; remove {self.folder} and start "
                          "again")

    def save(self, what):
        staged = self.record.with_suffix(".new")
        staged.write_text(json.dumps(what, indent=1) + "\n")
        staged.rename(self.record)

    def pid(self):
        """The running broker's process, or None. A recycled process id is not mistaken for it."""
        what = self.load()
        if not what or not what.get("pid"):
            return None
        try:
            command = pathlib.Path(f"/proc/{what['pid']}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return None
        return what["pid"] if os.fsencode(self.properties) in command else None

    @staticmethod
    def is_stopped(pid):
        with contextlib.suppress(OSError):
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            return state == "T"
        return False

    def java(self, version, main, arguments, options=()):
        java = shutil.which("java")
        if not java:
            raise Refusal(EXIT_SETUP, "java is missing; ops/setup installs a Java 17 runtime")
        jars = jars_of(version)
        log4j2 = any(jar.name.startswith("log4j-core") for jar in jars)
        logging = (f"-Dlog4j2.configurationFile={HERE / '4.3.1/log4j2.properties'}" if log4j2 else
                   f"-Dlog4j.configuration=file:{HERE / '3.9.1/log4j.properties'}")
        # The perf file and unpacked native libraries would stay behind in /tmp after a kill.
        return [java, *options, "-XX:+UseSerialGC", "-XX:-UsePerfData", logging,
                f"-Djava.io.tmpdir={self.folder / 'tmp'}", "-cp", ":".join(map(str, jars)),
                main, *map(str, arguments)]

    def refuse_to_begin_here(self):
        """Unless the directory is good for a new broker."""
        if set(str(self.folder)) & set(",\\\n"):  # Kafka reads a list of directories there
            raise Refusal(EXIT_USAGE, f"{self.folder}: no comma, backslash or newline in --dir")
        if any(self.folder.iterdir()):
            raise Refusal(EXIT_USAGE, f"{self.folder} is not empty and holds no broker; give "
                          "another --dir (stop would remove it)")

    def prepare(self, what):
        """The directory as the broker needs it, from now on with `what` in broker.json."""
        what["pid"] = None
        for name in PORTS:
            if not is_free(what[name]):
                raise Refusal(EXIT_SETUP, f"port {what[name]} is taken by another program "
                              "(ss -ltnp shows which); leave out --port to get a free one")
        self.save(what)
        (self.folder / "tmp").mkdir(exist_ok=True)
        nodes = len(what["voters"].split(","))
        template = string.Template((HERE / "server.properties").read_text())
        self.properties.write_text(template.substitute(
            what, dir=self.folder, replicas=nodes, in_sync=min(nodes, 2)) +
                                   what.get("properties", ""))

    def format(self, what):
        if (self.folder / "log" / "meta.properties").exists():
            return
        command = self.java(what["version"], "kafka.tools.StorageTool",
                            ["format", "-t", what["cluster_id"], "-c", self.properties],
                            ["-Xmx256m", "-XX:TieredStopAtLevel=1"])
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            shutil.rmtree(self.folder / "log", ignore_errors=True)
            last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
            raise Refusal(EXIT_DISK, f"Kafka could not format {self.folder / 'log'}:\n{last}")

    def launch(self, what):
        """The process, which isn't usable yet."""
        self.prepare(what)
        self.format(what)
        # Small enough for three side by side, and more than the tests' load ever needs.
        command = self.java(what["version"], "kafka.Kafka", [self.properties],
                            ["-Xms256m", "-Xmx512m"])
        with open(self.log, "ab") as log:
            process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, start_new_session=True)
        self.save({**what, "pid": process.pid})
        return process

    def end(self, first_signal):
        """Signals the broker and waits until it is gone; says whether there was one."""
        pid = self.pid()
        if not pid:
            return False
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        gone = select.poll()
        gone.register(process, select.POLLIN)
        try:
            with contextlib.suppress(ProcessLookupError):  # killed, it may be gone at once
                signal.pidfd_send_signal(process, first_signal)
                # A stopped one would not hear it.
                signal.pidfd_send_signal(process, signal.SIGCONT)
            if not gone.poll(TERM_SECONDS_MAX * 1000):
                notice(f"process {pid} did not end within {TERM_SECONDS_MAX} s: SIGKILL")
                signal.pidfd_send_signal(process, signal.SIGKILL)
                gone.poll()
        finally:
            os.close(process)
        self.save({**self.load(), "pid": None})
        return True


# --- one, or the nodes of a cluster -----------------------------------------------------------


def nodes_of(folder, count):
    """The brokers that a directory holds, or will hold."""
    folder = pathlib.Path(folder).absolute()
    single = Broker(folder)
    cluster = [Broker(folder / str(number + 1)) for number in range(NODES)]
    if single.record.exists():
        return [single]
    is_cluster = count == NODES or any(node.record.exists() for node in cluster)
    return cluster if is_cluster else [single]


def new_records(nodes, options):
    """What broker.json will hold of brokers that make a cluster."""
    cluster = {"version": options.version or VERSIONS[0], "cluster_id": new_cluster_id()}
    records, taken = [], set()
    for number, node in enumerate(nodes, 1):
        node.refuse_to_begin_here()
        ports = {}
        for name in PORTS:
            ports[name] = free_port(taken)
            taken.add(ports[name])
        records.append({**cluster, **ports, "node": number})
    voters = ",".join(f"{each['node']}@127.0.0.1:{each['controller_port']}" for each in records)
    for each in records:
        each["voters"] = voters
        each["port"] = options.port or each["port"]
        each["advertised_port"] = each["port"]
    return records


def refuse_another(folder, records, options):
    """What is asked for must be what is there."""
    for name in ("port", "version", "nodes"):
        asked = getattr(options, name, None)
        is_there = len(records) if name == "nodes" else records[0][name]
        if asked and asked != is_there:
            raise Refusal(EXIT_USAGE, f"the broker in {folder} has {name} {is_there}, not {asked}; "
                          f"remove it first (ops/kafka stop --dir {folder}) or leave out --{name}")


def records_of(nodes, options):
    """What broker.json holds, or will hold, of each, with what is asked of it now."""
    folder = nodes[0].folder if len(nodes) == 1 else nodes[0].folder.parent
    records = [node.load() for node in nodes]
    if not any(records):
        records = new_records(nodes, options)
    elif not all(records):
        raise Refusal(EXIT_DISK, f"{folder} holds a part of a cluster only; remove it (ops/kafka "
                      f"stop --dir {folder}) and start again")
    refuse_another(folder, records, options)
    for each in records:
        if options.advertise:
            each["advertised_port"] = options.advertise
        if options.properties:
            each["properties"] = options.properties.read_text()
    return records


def start_all(nodes, options):
    """Returns their ports when all of them are usable."""
    began = time.monotonic()
    with contextlib.ExitStack() as locks:
        for node in nodes:
            locks.enter_context(node.locked())
        launched = {}
        try:
            try:
                records = records_of(nodes, options)
                jars_of(records[0]["version"])
                for node, what in zip(nodes, records):
                    if node.pid():
                        notice(f"Kafka {what['version']} runs already in {node.folder}")
                    else:
                        launched[node] = node.launch(what)
            except Refusal:
                for node in nodes:
                    with contextlib.suppress(OSError):
                        node.folder.rmdir()  # only if nothing is in it
                raise
            for node, what in zip(nodes, records):
                # Not the clients' port: what they have to say there, --properties may decide.
                wait_until_usable(node, what["broker_port"], launched.get(node))
        except BaseException:
            for process in launched.values():
                process.kill()
                process.wait()
            raise
    for node in launched:
        notice(f"Kafka {records[0]['version']} ready in {time.monotonic() - began:.1f} s, "
               f"directory {node.folder}")
    return [what["port"] for what in records]


# --- is it usable? ----------------------------------------------------------------------------


def ask(port, api_key, api_version, body):
    """One request of Kafka's protocol, header version 1; returns the answer after its header."""

    def receive(connection, count):
        received = b""
        while len(received) < count:
            part = connection.recv(count - len(received))
            if not part:
                raise OSError("connection closed")
            received += part
        return received

    client = b"ops-kafka"
    request = struct.pack(">hhih", api_key, api_version, 0, len(client)) + client + body
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        size, = struct.unpack(">i", receive(connection, 4))
        return receive(connection, size)[4:]


def knows_a_broker(port):
    answer = ask(port, 3, 4, struct.pack(">ib", 0, 0))  # Metadata of no topic
    return struct.unpack_from(">i", answer, 4)[0] > 0


def has_coordinator(port, kind):
    # FindCoordinator creates the internal topic at its first use, and fails until it has a leader.
    answer = ask(port, 10, 2, struct.pack(">h9sb", 9, b"ops-kafka", kind))
    return struct.unpack_from(">h", answer, 4)[0] == 0


def gives_producer_ids(port):
    answer = ask(port, 22, 1, struct.pack(">hi", -1, 60000))  # InitProducerId, not transactional
    return struct.unpack_from(">h", answer, 4)[0] == 0


def wait_until_usable(broker, port, process):
    """Returns when metadata, both coordinators and producer ids are there."""
    began = time.monotonic()
    steps = [("metadata", lambda: knows_a_broker(port)),
             ("group coordinator", lambda: has_coordinator(port, 0)),
             ("transaction coordinator", lambda: has_coordinator(port, 1)),
             ("producer ids", lambda: gives_producer_ids(port))]
    told = 10
    while steps:
        if process and process.poll() is not None or not process and not broker.pid():
            raise Refusal(EXIT_UNREACHABLE, "Kafka ended while starting; the end of "
                          f"{broker.log}:\n{last_lines(broker.log)}")
        with contextlib.suppress(OSError, struct.error):
            if steps[0][1]():
                steps.pop(0)
                continue
        waited = time.monotonic() - began
        if waited > START_SECONDS_MAX:
            raise Refusal(EXIT_UNREACHABLE, f"Kafka gave no {steps[0][0]} within "
                          f"{START_SECONDS_MAX} s; the end of {broker.log}:\n"
                          f"{last_lines(broker.log)}")
        if waited > told:
            notice(f"waiting for Kafka's {steps[0][0]} ({waited:.0f} s)")
            told += 10
        time.sleep(0.03)


def last_lines(path, count=12):
    with contextlib.suppress(OSError):
        return "\n".join(path.read_text(errors="replace").splitlines()[-count:])
    return "(no log)"


# --- the commands -----------------------------------------------------------------------------


def bootstrap(ports):
    return "bootstrap=" + ",".join(f"127.0.0.1:{port}" for port in ports)


def listens(address):
    """Whether something does at PROTOCOL://HOST:PORT, of which the host alone must be there."""
    host, colon, port = address.strip().rpartition("://")[2].rpartition(":")
    with contextlib.suppress(OSError, OverflowError, ValueError):
        where = (host.strip("[]"), int(port)) if colon else (port, 9092)
        socket.create_connection(where, 5).close()
        return True
    return False


def start(nodes, options):
    foreign = os.environ.get("WEIR_BOOTSTRAP")
    if foreign:
        if not any(map(listens, foreign.split(","))):
            raise Refusal(EXIT_UNREACHABLE, f"WEIR_BOOTSTRAP is set, to {foreign}, and nothing "
                          "answers there; unset WEIR_BOOTSTRAP to have a broker started here")
        notice("WEIR_BOOTSTRAP is set: that broker is used, nothing is started")
        print(f"bootstrap={foreign}")
        return
    if len(nodes) > 1 and (options.port or options.advertise):
        raise Refusal(EXIT_USAGE, "--port and --advertise are for one node")
    print(bootstrap(start_all(nodes, options)))


def stop(nodes, options):
    for broker in nodes:
        stop_one(broker, options.keep)
    if len(nodes) > 1:
        with contextlib.suppress(OSError):
            nodes[0].folder.parent.rmdir()  # only if nothing is in it


def stop_one(broker, is_kept):
    if not broker.folder.exists():
        notice(f"no broker in {broker.folder}")
        return
    with broker.locked():
        if broker.load() is None:
            if any(broker.folder.iterdir()):
                raise Refusal(EXIT_USAGE, f"{broker.folder} holds no broker: nothing stopped or "
                              "removed")
            broker.folder.rmdir()
            return
        # What is removed needs no order; and without its quorum a node can't end in order.
        ended = broker.end(signal.SIGTERM if is_kept else signal.SIGKILL)
        if not is_kept:
            shutil.rmtree(broker.folder)
        notice(("stopped" if ended else "was not running") +
               (f"; kept {broker.folder}" if is_kept else f"; removed {broker.folder}"))


def kill(nodes, options):
    if not any([broker.folder.exists() and broker.end(signal.SIGKILL) for broker in nodes]):
        raise Refusal(EXIT_UNREACHABLE, f"no broker runs in {options.dir}")


def status(nodes, _):
    print(bootstrap([port_of_running(broker) for broker in nodes]))


def port_of_running(broker):
    """Prints what it is, too."""
    what = broker.load() if broker.folder.exists() else None
    if what is None:
        raise Refusal(EXIT_UNREACHABLE, f"no broker in {broker.folder}; ops/kafka start makes one")
    pid = broker.pid()
    if not pid:
        raise Refusal(EXIT_UNREACHABLE, f"the broker in {broker.folder} is not running; "
                      f"ops/kafka start --dir {broker.folder} resumes it")
    if broker.is_stopped(pid):
        raise Refusal(EXIT_UNREACHABLE, f"process {pid} of {broker.folder} is stopped: "
                      f"kill -CONT {pid}")
    try:
        knows_a_broker(what["broker_port"])
    except (OSError, struct.error):
        raise Refusal(EXIT_UNREACHABLE, f"process {pid} of {broker.folder} does not answer; "
                      "ops/kafka log shows why, ops/kafka kill ends it")
    print(f"version={what['version']} pid={pid} cluster={what['cluster_id']} dir={broker.folder}")
    return what["port"]


def log(nodes, _):
    for broker in nodes:
        try:
            with open(broker.log, "rb") as lines:
                shutil.copyfileobj(lines, sys.stdout.buffer)
        except FileNotFoundError:
            raise Refusal(EXIT_USAGE, f"no log in {broker.folder}: no broker was started there")


class Arguments(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        notice(message)
        sys.exit(EXIT_USAGE)


def port_number(text):
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text} is not a port")
    return int(text)


def main():
    parser = Arguments(prog="ops/kafka", description="A real Apache Kafka on 127.0.0.1. The last "
                       "line on stdout of start and status is bootstrap=HOST:PORT, of three nodes "
                       "with a comma between.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Arguments)
    texts = {start: "start it, or resume what its directory holds; returns when it is usable. With "
                    "WEIR_BOOTSTRAP=HOST:PORT set, starts nothing and prints that, if it answers",
             stop: "end it and remove its directory",
             kill: "SIGKILL; the directory stays, start resumes it",
             status: "exit 0 if it runs and answers, 69 if not",
             log: "print its log"}
    for run, text in texts.items():
        command = commands.add_parser(run.__name__, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument("--dir", metavar="D",
                             default=os.environ.get("WEIR_KAFKA_DIR") or CHECKOUT / "build/kafka",
                             help="the broker's directory; default $WEIR_KAFKA_DIR, else "
                             "build/kafka of this checkout")
        command.add_argument("--port", type=port_number, metavar="N",
                             help="default: a free one" if run is start else
                             "refuses where the broker has another")
        command.add_argument("--version", choices=VERSIONS, metavar="V",
                             help=f"one of {', '.join(VERSIONS)}" +
                             (f"; default {VERSIONS[0]}" if run is start else
                              ": refuses where the broker has another"))
        if run is start:
            command.add_argument("--advertise", type=port_number, metavar="N",
                                 help="tell clients this port instead: a proxy's in front of it")
            command.add_argument("--properties", type=pathlib.Path, metavar="FILE",
                                 help="the broker's own, which come last in its server.properties; "
                                 "kept for later starts")
            command.add_argument("--nodes", type=int, choices=(1, NODES), metavar="N",
                                 help=f"1 or {NODES}; default 1. Of {NODES}, each has a directory "
                                 "in D (1, 2, 3), which all commands take too")
        if run is stop:
            command.add_argument("--keep", action="store_true", help="leave the directory")
    options = parser.parse_args()
    try:
        nodes = nodes_of(options.dir, getattr(options, "nodes", None))
        if options.run is not start and (options.port or options.version):
            if all(records := [node.load() for node in nodes]):
                refuse_another(options.dir, records, options)
        options.run(nodes, options)
    except Refusal as refusal:
        notice(refusal)
        return refusal.code
    except PermissionError as refusal:
        notice(f"{refusal.filename or options.dir}: permission denied; give another --dir")
        return EXIT_PERMISSION
    except BrokenPipeError:
        return EXIT_TEMPORARY
    except OSError as refusal:
        notice(f"{refusal.filename or options.dir}: {refusal.strerror}")
        return EXIT_DISK
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
