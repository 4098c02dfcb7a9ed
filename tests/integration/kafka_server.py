#!/usr/bin/env python3
"""Apache Kafka (KRaft) on loopback: one Java process a broker, for tests and for ./dev kafka.

In a test, with ports and a directory of its own, and nothing left behind even if the test is killed:

    with kafka_server.running(n_brokers=1) as cluster:
        program(cluster.bootstrap)

By hand: kafka_server.py up [--brokers 1|3] | down | status
"""
import argparse
import base64
import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
JARS = ROOT / ".tools" / "kafka"  # tools/install.sh puts them there
DEV = ROOT / ".tools" / "kafka-run"
DEV_PORT = 19092  # brokers 19092, 19093, 19094; controllers 100 above
START_SECONDS = 60
PR_SET_PDEATHSIG = 1
RESERVED = []  # sockets that hold the ports of this process

# Development: small, quick to start, quick to rebalance, nothing is deleted by age (event times may be old). A broker
# that was killed may come back when its session has run out.
SETTINGS = {
    "auto.create.topics.enable": "false",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.retention.ms": "-1",
    "log.cleaner.dedupe.buffer.size": str(16 << 20),
    "num.io.threads": "4",
    "num.network.threads": "2",
    "offsets.topic.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "4",
    "controller.quorum.append.linger.ms": "1",
}
JAVA_OPTIONS = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError",
                "-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"]


def find():
    """Path of Java where Java and Kafka are installed, else None."""
    java = shutil.which("java")
    return java if java and (JARS / "complete").exists() else None


def need():
    """Ends a test as skipped where Kafka or Java is not installed."""
    if not find():
        print("skipped: Kafka or Java is not installed (tools/install.sh test)")
        sys.exit(77)


def reserved(port):
    """Whether the port is ours as long as this process lives: a name in the machine's abstract namespace, which all tests ask for."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0libstream-test-port-{port}")
    except OSError:
        name.close()
        return False
    RESERVED.append(name)
    return True


def free_ports(n):
    """n ports that are free now, outside the range the system gives to clients; no other test gets them."""
    ports = []
    candidate = 20000 + int.from_bytes(os.urandom(2), "big") % 10000
    while len(ports) < n:
        candidate += 1
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
        if reserved(candidate):
            ports.append(candidate)
    return ports


def random_id():
    """A Kafka UUID, which must not begin with a dash."""
    return "L" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


def is_alive(pid):
    try:
        return "kafka.Kafka" in pathlib.Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


def formatted(java):
    """The metadata checkpoint of a fresh broker. Kafka's own tool makes it once; it takes longer than a start."""
    checkpoint = JARS / "bootstrap.checkpoint"
    if not checkpoint.exists():
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder, "server.properties")
            config.write_text("process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n"
                              "listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2\n"
                              f"controller.quorum.voters=1@127.0.0.1:2\nlog.dirs={folder}/data\n"
                              "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n")
            subprocess.run([java, *JAVA_OPTIONS, "-cp", f"{JARS}/*", "kafka.tools.StorageTool", "format", "-t", random_id(),
                            "-c", config], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            made = checkpoint.with_suffix(f".{os.getpid()}")
            shutil.copy(f"{folder}/data/bootstrap.checkpoint", made)
            made.rename(checkpoint)
    return checkpoint


class Cluster:
    """Brokers 1..n in folder. settings: server properties besides or instead of ours; {id}, {port} and {controller}
    (its port) are replaced.
    listeners: further ones, name -> [(port, advertised port)] by broker (network.py)."""

    def __init__(self, folder, ports, controller_ports, settings=None, dies_with_us=True, java_options=(), listeners=None):
        self.java = find()
        self.folder = pathlib.Path(folder)
        self.ports, self.controller_ports = list(ports), list(controller_ports)
        self.settings = settings or {}
        self.dies_with_us = dies_with_us
        self.java_options = list(java_options)
        self.listeners = listeners or {}
        self.ids = range(1, len(self.ports) + 1)

    @property
    def bootstrap(self):
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def home(self, broker):
        return self.folder / f"broker-{broker}"

    def log(self, broker):
        return self.home(broker) / "server.log"

    def pid(self, broker):
        """Of the broker, None when it does not run."""
        try:
            pid = int((self.home(broker) / "pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if is_alive(pid) else None

    def properties(self, broker):
        n, port, controller = len(self.ports), self.ports[broker - 1], self.controller_ports[broker - 1]
        voters = ",".join(f"{i}@127.0.0.1:{p}" for i, p in zip(self.ids, self.controller_ports))
        replicas, min_replicas = (3, 2) if n >= 3 else (1, 1)
        more = {name: at[broker - 1] for name, at in self.listeners.items()}
        return {
            **SETTINGS,
            "process.roles": "broker,controller", "node.id": broker, "controller.quorum.voters": voters,
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"
                         + "".join(f",{name}://127.0.0.1:{own}" for name, (own, _) in more.items()),
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}"
                                    + "".join(f",{name}://127.0.0.1:{advertised}" for name, (_, advertised) in more.items()),
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT" + "".join(f",{name}:PLAINTEXT" for name in more),
            "log.dirs": self.home(broker) / "data",
            "default.replication.factor": replicas, "min.insync.replicas": min_replicas,
            "offsets.topic.replication.factor": replicas,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": min_replicas,
            "transaction.state.log.replication.factor": replicas, "transaction.state.log.min.isr": min_replicas,
            **{name: str(value).format(id=broker, port=port, controller=controller) for name, value in self.settings.items()},
        }

    def prepare(self, broker, cluster_id):
        data = self.home(broker) / "data"
        data.mkdir(parents=True, exist_ok=True)
        if not (data / "meta.properties").exists():
            shutil.copy(formatted(self.java), data / "bootstrap.checkpoint")
            (data / "meta.properties").write_text(
                f"version=1\ncluster.id={cluster_id}\nnode.id={broker}\ndirectory.id={random_id()}\n")
        (self.home(broker) / "server.properties").write_text(
            "".join(f"{name}={value}\n" for name, value in self.properties(broker).items()))

    def cluster_id(self):
        path = self.folder / "cluster.id"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(random_id())
        return path.read_text()

    def launch(self, broker):
        """Begins to start a broker; await_started waits for it."""
        if self.pid(broker):
            return
        self.prepare(broker, self.cluster_id())
        log = open(self.log(broker), "ab")  # noqa: SIM115 - handed to the process
        log.truncate(0)
        process = subprocess.Popen(
            [self.java, *JAVA_OPTIONS, *self.java_options, "-cp", f"{JARS}/*", "kafka.Kafka",
             self.home(broker) / "server.properties"],
            cwd=self.home(broker), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            preexec_fn=die_with_parent if self.dies_with_us else None)
        log.close()
        (self.home(broker) / "pid").write_text(str(process.pid))

    def await_started(self, brokers=None):
        until = time.monotonic() + START_SECONDS
        for broker in brokers or self.ids:
            while b"Kafka Server started" not in self.log(broker).read_bytes():
                if not self.pid(broker) or time.monotonic() > until:
                    raise SystemExit(f"FAILED: broker {broker} does not start:\n{self.log(broker).read_text()[-3000:]}")
                time.sleep(0.02)

    def start(self, *brokers):
        """Starts the brokers (all), and waits until they serve."""
        for broker in brokers or self.ids:
            self.launch(broker)
        self.await_started(brokers)

    def send(self, broker, number):
        """SIGKILL, SIGSTOP (a broker that hangs), SIGCONT, SIGTERM."""
        pid = self.pid(broker)
        if pid:
            os.kill(pid, number)
        return pid

    def stop(self, *brokers, number=signal.SIGTERM):
        """Ends the brokers (all) and waits; what does not end is killed."""
        pids = [pid for pid in (self.send(broker, number) for broker in brokers or self.ids) if pid]
        until = time.monotonic() + 15
        for pid in pids:
            while is_alive(pid):
                reap(pid)
                if time.monotonic() > until:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.02)

    def kill(self, *brokers):
        self.stop(*brokers, number=signal.SIGKILL)

    def tool(self, main, *args, **kwargs):
        """Runs one of Kafka's own programs, such as org.apache.kafka.tools.ConsoleProducer."""
        command = [self.java, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8",
                   "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{JARS}/*", main, *args]
        done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8", timeout=60, **kwargs)
        if done.returncode != 0:
            raise SystemExit(f"FAILED: {main}:\n{done.stdout}{done.stderr}")
        return done


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def reap(pid):
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def remove_leftovers(base):
    """Directories of tests that were killed: their owner lives no more."""
    for folder in base.glob("run-*"):
        owner = folder.name.split("-")[1]
        if owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(n_brokers=1, settings=None, java_options=(), wait=True, listeners=None):
    """A cluster for one test: ports and data of its own, removed afterwards. wait=False: call await_started yourself."""
    base = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build"), "kafka-tests")
    base.mkdir(parents=True, exist_ok=True)
    remove_leftovers(base)
    folder = tempfile.mkdtemp(prefix=f"run-{os.getpid()}-", dir=base)
    ports = free_ports(2 * n_brokers)
    cluster = Cluster(folder, ports[:n_brokers], ports[n_brokers:], settings, java_options=java_options, listeners=listeners)
    # ctest ends a test that takes too long by SIGTERM: leave by the way of an exception
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    try:
        for broker in cluster.ids:
            cluster.launch(broker)
        if wait:
            cluster.await_started()
        yield cluster
    finally:
        cluster.kill()
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(signal.SIGTERM, before)


# ---- ./dev kafka ----

def dev_cluster(n_brokers):
    return Cluster(DEV, [DEV_PORT + i for i in range(n_brokers)], [DEV_PORT + 100 + i for i in range(n_brokers)],
                   dies_with_us=False)


def dev_size():
    """Brokers of the development cluster there is, 0: none was started."""
    path = DEV / "brokers"
    return int(path.read_text()) if path.exists() else 0


def up(n_brokers):
    size = dev_size()
    n_brokers = n_brokers or size or 1
    if size and size != n_brokers:
        if any(dev_cluster(size).pid(broker) for broker in dev_cluster(size).ids):
            raise SystemExit(f"kafka: a cluster of {size} is up; ./dev kafka down first (its data are removed)")
        shutil.rmtree(DEV)  # a quorum can't change its size
    DEV.mkdir(parents=True, exist_ok=True)
    (DEV / "brokers").write_text(str(n_brokers))
    begin = time.monotonic()
    cluster = dev_cluster(n_brokers)
    cluster.start()
    print(f"kafka: up in {time.monotonic() - begin:.1f} s, bootstrap.servers={cluster.bootstrap}")


def down(keep):
    size = dev_size()
    if size:
        dev_cluster(size).stop()
    if not keep:
        shutil.rmtree(DEV, ignore_errors=True)
    print("kafka: down" + (", data kept" if keep and size else ""))


def status():
    size = dev_size()
    cluster = dev_cluster(size)
    n_up = 0
    for broker in cluster.ids:
        pid = cluster.pid(broker)
        n_up += pid is not None
        print(f"broker {broker}: 127.0.0.1:{cluster.ports[broker - 1]} "
              + (f"up, pid {pid}" if pid else "down") + f", log {cluster.log(broker).relative_to(ROOT)}")
    print(f"kafka: {n_up} of {size} brokers up" + (f", bootstrap.servers={cluster.bootstrap}" if n_up else ""))
    return 0 if size and n_up == size else 3


def main():
    parser = argparse.ArgumentParser(prog="./dev kafka", description="Apache Kafka on loopback, for development")
    commands = parser.add_subparsers(dest="command", required=True)
    up_parser = commands.add_parser("up", help="start it; does nothing when it is up")
    up_parser.add_argument("--brokers", type=int, choices=(1, 3), help="default: as last time, else 1")
    commands.add_parser("down", help="stop it and remove its data").add_argument("--keep", action="store_true",
                                                                               help="keep topics and offsets")
    commands.add_parser("status", help="ports and process ids; exit code 3: not all of it is up")
    args = parser.parse_args()
    if not find():
        raise SystemExit("kafka: not installed: tools/install.sh test")
    if args.command == "up":
        up(args.brokers)
    elif args.command == "down":
        down(args.keep)
    else:
        return status()
    return 0


if __name__ == "__main__":
    sys.exit(main())
