"""What the live tests share: a lake's records onto topics, committed records back, the applications run live."""

import datetime
import gzip
import json
import pathlib
import re
import subprocess
import threading
import time

import confluent_kafka
import confluent_kafka.admin
import recon

INPUTS = {
    "transactions_topic": ("raw/transactions", "transaction_id", "timestamp"),
    "fraud_signals_topic": ("raw/fraud_signals", "transaction_id", "inference_time"),
    "merchants_topic": ("reference/merchants", "merchant_id", None),
    "policies_topic": ("reference/policies", "policy_id", None),
}
FOREVER = {"retention.ms": "-1", "retention.bytes": "-1"}


def lines_of(path):
    if path.suffix == ".gz":
        data = gzip.decompress(path.read_bytes())
    elif path.suffix == ".zst":
        data = subprocess.run(["zstd", "-dc", str(path)], check=True, capture_output=True).stdout
    else:
        data = path.read_bytes()
    return data.split(b"\n")


def instant(timestamp):
    """A text that sorts as the time does, whatever its zone."""
    return datetime.datetime.fromisoformat(timestamp).astimezone(datetime.timezone.utc).isoformat(timespec="microseconds")


def records_of(lake, folder, key, time_field):
    """(event time, key, line) of every record of a lake's folder in file order; broken ones come where they stand."""
    found, last = [], ""
    for path in sorted(pathlib.Path(lake, folder).rglob("*.jsonl*")):
        for line in lines_of(path):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                last = instant(record[time_field]) if time_field else last
                name = str(record[key])
            except (ValueError, KeyError, TypeError, AttributeError):
                name = None
            found.append((str(last), name, line))
    return found


def wait_for(what, holds, seconds=60):
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise SystemExit(f"FAILED: {what} does not come")
        time.sleep(0.1)


def admin(brokers):
    return confluent_kafka.admin.AdminClient({"bootstrap.servers": brokers, "log_level": 2})


def make_topics(brokers, names, partitions, replication=1, config=FOREVER):
    topics = [confluent_kafka.admin.NewTopic(name, partitions, replication, config=config) for name in names]
    client = admin(brokers)  # the futures live as long as it does
    for future in client.create_topics(topics).values():
        future.result(30)


def producer(brokers, **options):
    return confluent_kafka.Producer({"bootstrap.servers": brokers, "linger.ms": 5, "partitioner": "murmur2_random",
                                     "queue.buffering.max.messages": 1000000, "enable.idempotence": True, "max.in.flight": 1, "log_level": 2, **options})


def send(to, topic, key, value, **options):
    while True:
        try:
            to.produce(topic, value, key, **options)
            to.poll(0)
            return
        except BufferError:
            to.poll(0.1)


def feed(brokers, lake, topics=None, ordered=True):
    """Puts a lake's records onto the topics, each in event-time order (ordered) or as they stand in the files."""
    to, n = producer(brokers), {}
    for topic, (folder, key, time_field) in INPUTS.items():
        if topics is not None and topic not in topics:
            continue
        records = records_of(lake, folder, key, time_field)
        if ordered:
            records.sort(key=lambda record: record[0])
        for _, name, line in records:
            send(to, topic, name, line)
        n[topic] = len(records)
    to.flush()
    return n


def end_offsets(brokers, topic):
    """Of each partition the offset after the last record, committed or not."""
    reader = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "ends", "isolation.level": "read_uncommitted"})
    partitions = reader.list_topics(topic, 30).topics[topic].partitions
    ends = {p: reader.get_watermark_offsets(confluent_kafka.TopicPartition(topic, p), 30)[1] for p in partitions}
    reader.close()
    return ends


def each_committed(brokers, topic, isolation="read_committed"):
    """Every committed record of a topic: (partition, offset, key, value, headers), of a partition by offset."""
    reader = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": f"reader-{time.monotonic_ns()}", "enable.auto.commit": False,
                                       "isolation.level": isolation, "auto.offset.reset": "earliest", "enable.partition.eof": True})
    partitions = reader.list_topics(topic, 30).topics[topic].partitions
    reader.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in partitions])
    ends = end_offsets(brokers, topic)
    ended, until = set(), time.monotonic() + 60
    while len(ended) < len(partitions):
        if time.monotonic() > until:
            raise SystemExit(f"FAILED: {topic}: a transaction stays open")
        for message in reader.consume(10000, 1.0):
            if message.error() is None:
                yield message.partition(), message.offset(), message.key(), message.value(), dict(message.headers() or [])
                ended.discard(message.partition())
                until = time.monotonic() + 60
            elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                if message.offset() >= ends[message.partition()]:  # before it a transaction is still open
                    ended.add(message.partition())
            else:
                raise SystemExit(f"FAILED: {message.error()}")
    reader.close()


def committed(brokers, topic, isolation="read_committed"):
    """The same as a list, by partition and offset."""
    return sorted(each_committed(brokers, topic, isolation), key=lambda record: record[:2])


def committed_offset(reader, at, seconds=30):
    """A broker that has just started may not know yet which of them keeps the group."""
    until = time.monotonic() + seconds
    while True:
        try:
            return reader.committed([at], seconds)[0].offset
        except confluent_kafka.KafkaException as error:
            if not error.args[0].retriable() and error.args[0].code() not in (confluent_kafka.KafkaError.NOT_COORDINATOR,
                                                                               confluent_kafka.KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
                                                                               confluent_kafka.KafkaError.COORDINATOR_NOT_AVAILABLE):
                raise
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def progress(brokers, group, topics):
    """(topic, partition) -> (committed offset, end)."""
    reader = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": group, "enable.auto.commit": False})
    found = {}
    for topic in topics:
        for p in reader.list_topics(topic, 30).topics[topic].partitions:
            at = confluent_kafka.TopicPartition(topic, p)
            found[topic, p] = (committed_offset(reader, at), reader.get_watermark_offsets(at, 30)[1])
    reader.close()
    return found


def last_rows(records):
    """Of each key the last value, decoded."""
    rows = {}
    for _, _, key, value, _ in records:
        rows[key.decode()] = json.loads(value)
    return rows


def start(brokers, state, *options, program="streaming_index", config="streaming_index", stderr=subprocess.PIPE, **extra):
    """Starts an application live; it runs until it is stopped."""
    command = [recon.BIN / program, "--config", recon.SOURCE / f"configs/{config}.yaml", "--live", "--state-dir", state,
               "--output-format", "json", "--quiet", *options]
    return subprocess.Popen([str(part) for part in command], env=recon.environment(KAFKA_BROKERS=brokers, **extra),
                            stdout=subprocess.PIPE, stderr=stderr, text=True)


class Log:
    """The events of a process's log as they come: (monotonic time, event, fields). Lines go to a file, with the time of day."""

    def __init__(self, path):
        self.file, self.events, self.reader = open(path, "a"), [], None  # noqa: SIM115 - as long as the log

    def follow(self, lines):
        """Those of another life of the process; it begins with the event `started`."""
        self.events.append((time.monotonic(), "started", {}))
        self.reader = threading.Thread(target=self.read, args=(lines,), daemon=True)
        self.reader.start()

    def read(self, lines):
        for line in lines:
            now = time.time()
            self.file.write(f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now * 1000) % 1000:03d} {line}")
            self.file.flush()
            event = re.search(r"event=(\w+)", line)
            if event:
                self.events.append((time.monotonic(), event[1], dict(re.findall(r'(\w+)=("[^"]*"|\S+)', line))))

    def close(self):
        """After the process has ended: all of it is read."""
        if self.reader is not None:
            self.reader.join(10)


def finish(process, timeout=120, code=0):
    out, errors = process.communicate(timeout=timeout)
    if process.returncode != code:
        raise SystemExit(f"FAILED: exit {process.returncode}, not {code}\n{out[-2000:]}\n{(errors or '')[-4000:]}")
    return json.loads(out.splitlines()[-1]) if out.strip() else {}


def run(brokers, state, *options, **named):
    """Runs an application until all that the topics hold is processed."""
    return finish(start(brokers, state, "--until-end", *options, **named))
