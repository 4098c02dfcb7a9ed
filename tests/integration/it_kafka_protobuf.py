#!/usr/bin/env python3
"""Protobuf out, on a real broker and a real registry (Apicurio): plain and in Confluent wire format. Confluent's own deserializer reads
what we write by the schema that we registered, every field equal, and so do our own sources. Rows that a message can't hold are dead
letters; a schema that is refused ends the run before it has read a record; parity holds."""

import json
import pathlib
import random
import sys
import tempfile
import time

import kafka_server
import live
import recon
import registry_server

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, prefix_schema_id_deserializer, topic_subject_name_strategy
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from confluent_kafka.schema_registry.serde import SchemaId
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, timestamp_pb2

ORDER = """id: string, at: timestamp, memo: { type: string, nullable: true }, state: { type: string, nullable: true },
      items: "list<struct<sku: string, n: int64, raw: bytes, parts: list<struct<weight: float64>>>>", due: { type: timestamp, nullable: true },
      amount: { type: "decimal(38,9)", nullable: true }, counts: list<int64>, card: { type: string, nullable: true },
      cash: { type: int64, nullable: true }, done: { type: bool, nullable: true }, part: { type: "struct<weight: float64>", nullable: true },
      big: { type: int64, nullable: true }, shop: { type: "struct<name: string>", nullable: true }, share: { type: float64, nullable: true },
      small: { type: int64, nullable: true }"""
HEAD = """
libstream: 1
name: protobuf
runtime: {{ memory: 64MiB, threads: 1 }}
kafka: {{ application_id: {application} }}
schema_registry: {{ url: "{url}"{settings} }}
schemas:
  order:
    key: id
    time: at
    fields: {{ {order} }}
"""
WRITE = HEAD + """
  score:
    key: fraud_signal_id
    time: at
    fields: {{ fraud_signal_id: string, fraud_score: float64, at: timestamp }}
plugins: {{ proto_samples: {{ path: "{samples}" }}, recon_proto: {{ }} }}
sources:
  orders: {{ schema: order, live: {{ kafka: orders, idle_after: 1ms }} }}
  scores: {{ schema: score, live: {{ kafka: scores, idle_after: 1ms }} }}
steps:
  lines: {{ from: orders, flat_map: {{ each: items, as: item }} }}
  parts: {{ from: lines, select: {{ sku: "COALESCE(item.sku, 'none')", n: item.n, raw: item.raw }} }}
  scored: {{ from: scores, select: {{ fraud_signal_id: fraud_signal_id, fraud_score: fraud_score, inference_time: at }} }}
  newest: {{ from: orders, latest: {{ emit: final, store: newest }} }}
  open: {{ from: newest, filter: "done = false" }}
  brief: {{ from: open, select: {{ id: id, created: at, amount: amount, user_id: "COALESCE(memo, '')", i32: "COALESCE(small, 7)" }} }}
sinks:
  framed: {{ from: orders, protobuf: test.Order, live: {{ kafka: {framed}, format: protobuf, registry: true, create: {{ partitions: 2 }} }} }}
  plain: {{ from: orders, protobuf: test.Order, live: {{ kafka: plain, format: protobuf, create: {{ partitions: 2 }} }} }}
  as_json: {{ from: orders, live: {{ kafka: as-json, create: {{ partitions: 2 }} }} }}
  scores_out: {{ from: scored, protobuf: payments.v1.FraudSignal, live: {{ kafka: scores-out, format: protobuf, registry: true, create: {{ partitions: 2 }} }} }}
  parts_out: {{ from: parts, protobuf: test.Order.Item, live: {{ kafka: parts-out, format: protobuf, registry: true, create: {{ partitions: 2 }} }} }}
  table: {{ from: brief, protobuf: test.Payment, live: {{ kafka: table, format: protobuf, registry: true, compacted: true, create: {{ partitions: 2 }} }} }}
"""
READ = HEAD + """
plugins: {{ proto_samples: {{ path: "{samples}" }} }}
sources:
  framed: {{ schema: order, protobuf: test.Order, live: {{ kafka: framed, format: protobuf, registry: true, idle_after: 1ms }} }}
  plain: {{ schema: order, protobuf: test.Order, live: {{ kafka: plain, format: protobuf, idle_after: 1ms }} }}
sinks:
  framed_back: {{ from: framed, live: {{ kafka: framed-back, create: {{ partitions: 2 }} }} }}
  plain_back: {{ from: plain, live: {{ kafka: plain-back, create: {{ partitions: 2 }} }} }}
"""
SUBJECTS = {"subject.name.strategy": topic_subject_name_strategy}
N = 300
STATES = {"NEW": "STATE_NEW", "PAID": "STATE_PAID", "LATE": "STATE_LATE"}
# what a test.Order can't hold, each with the column that is named
REFUSED = {"small": {"small": 2**31}, "share": {"share": 0.1}, "state": {"state": "LOST"}, "card": {"card": "c", "cash": 1}, "big": {"big": -1},
           "items.sku": {"items": [{"sku": None, "n": 1, "raw": None, "parts": []}]}, "counts": {"counts": [1, None]}}


class Case:
    def __init__(self, brokers, registry, scratch):
        self.brokers, self.registry, self.scratch = brokers, registry, pathlib.Path(scratch)
        self.client = SchemaRegistryClient({"url": registry.url, "timeout": 10})
        self.n_files = 0

    def topology(self, text, application="protobuf", settings="", framed="framed"):
        self.n_files += 1
        path = self.scratch / f"{self.n_files}.yaml"
        samples = recon.BUILD / "tests/plugins/proto_samples.so"
        path.write_text(text.format(url=self.registry.url, settings=settings, application=application, order=ORDER, samples=samples, framed=framed))
        return path

    def run(self, *command, code=0):
        environment = recon.environment(KAFKA_BROKERS=self.brokers, LS_UDF_DIR=str(recon.BUILD / "lib/libstream/udf"))
        done = recon.run(recon.BIN / "streamctl", *command, check=False, env=environment, timeout=150)
        if done.returncode != code:
            raise SystemExit(f"FAILED: {command}: exit {done.returncode}, not {code}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done.stdout + done.stderr

    def live(self, file, code=0):
        return self.run("run", file, "--live", "--until-end", "--quiet", "--output-format", "json", code=code)


def report(what, found, wanted):
    if found == wanted:
        return 0
    print(f"FAILED: {what}: {str(found)[:3000]} instead of {str(wanted)[:3000]}")
    return 1


def item(dice):
    return {"sku": dice.choice(["", "a", "é\n"]), "n": dice.choice([None, 0, -1, 2**31 - 1]), "raw": dice.choice([None, "", "AP8B"]),
            "parts": [{"weight": dice.choice([None, 0.0, -2.5, 1e300])} for _ in range(dice.randrange(3))]}


def order(dice, i):
    way = dice.randrange(3)
    return {"id": f"o{i:03d}", "at": f"2026-03-01T00:{i // 60:02d}:{i % 60:02d}{dice.choice(['', '.125', '.000001'])}Z",
            "memo": dice.choice([None, "", "none\n", "note"]), "state": dice.choice([None, *STATES]), "items": [item(dice) for _ in range(dice.randrange(3))],
            "due": dice.choice([None, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z"]),
            "amount": dice.choice([None, "0.000000000", "-99999999999999999999999999999.999999999", "12.500000000"]),
            "counts": [dice.choice([0, -1, 2**31 - 1, -2**31]) for _ in range(dice.randrange(4))], "card": dice.choice(["", "c"]) if way == 0 else None,
            "cash": dice.choice([0, -2**63, 2**63 - 1]) if way == 1 else None, "done": dice.choice([None, True, False]),
            "part": dice.choice([None, {"weight": None}, {"weight": 0.0}]), "big": dice.choice([None, 0, 2**63 - 1]),
            "shop": dice.choice([None, {"name": ""}, {"name": "s"}]), "share": dice.choice([None, 0.0, 0.5, -1.25]), "small": dice.choice([None, 0, -7, 2**31 - 1])}


def without_nulls(value):
    """As protobuf's own JSON has it: what is absent is not there, nor is a list without elements."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None and inner != []}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def as_message(record):
    """A record as protobuf's JSON of a test.Order."""
    out = {**record, "state": STATES.get(record["state"]), "due_us": record["due"]}
    del out["due"]
    for name in ("cash", "big"):
        out[name] = None if out[name] is None else str(out[name])
    if out["due_us"] is not None:
        out["due_us"] = {"0001": "-62135596800000000", "9999": "253402300799999999", "1970": "0"}[out["due_us"][:4]]
    return without_nulls(out)


def file_of(case, topic):
    """The schema that is registered for a topic, compiled; Apicurio's own binary form of it (?format=serialized) is not base64."""
    schema = case.client.get_latest_version(f"{topic}-value")
    if schema.schema.schema_type != "PROTOBUF":
        raise SystemExit(f"FAILED: the schema of {topic} is {schema.schema.schema_type}")
    folder = case.scratch / f"schema-{schema.schema_id}"
    (folder / "google/protobuf").mkdir(parents=True, exist_ok=True)
    (folder / "google/protobuf/timestamp.proto").write_text((recon.SOURCE / "tests/unit/codec/helper_timestamp.proto").read_text())
    (folder / "schema.proto").write_text(schema.schema.schema_str)
    recon.run("protoc-c", f"--proto_path={folder}", f"--descriptor_set_out={folder}/set", f"--c_out={folder}", "schema.proto")
    return schema.schema_id, descriptor_pb2.FileDescriptorSet.FromString((folder / "set").read_bytes()).file[0]


def class_of(file, name):
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def name_at(file, indexes):
    """Full name of the message at a place of a file."""
    at, names = file.message_type, [file.package]
    for index in indexes:
        names.append(at[index].name)
        at = at[index].nested_type
    return ".".join(names)


def messages(case, topic, name):
    """(key, message as JSON) of each record, read by Confluent's deserializer by the registered schema; None for a deletion."""
    schema_id, file = file_of(case, topic)
    context = SerializationContext(topic, MessageField.VALUE)
    read, found = ProtobufDeserializer(class_of(file, name), {"use.deprecated.format": False, **SUBJECTS}), []
    for _, _, key, value, _ in live.committed(case.brokers, topic):
        if value is not None:
            head = SchemaId("PROTOBUF")
            prefix_schema_id_deserializer(value, context, head)
            if head.id != schema_id or name_at(file, head.message_indexes) != name:
                raise SystemExit(f"FAILED: {topic}: {value[:8]} names schema {head.id} and its message {head.message_indexes}")
        message = read(value, context)
        found.append((key and key.decode(), message and json_format.MessageToDict(message, preserving_proto_field_name=True)))
    return found


def by_id(case, topic):
    return {key.decode(): json.loads(value) for _, _, key, value, _ in live.committed(case.brokers, topic)}


def write(case):
    """Everything out, by one run."""
    dice = random.Random(20261)
    orders = [order(dice, i) for i in range(N)]
    bad = [{**order(dice, 700 + i), "id": f"bad-{name}", "card": None, "cash": None, "done": None, **change} for i, (name, change) in enumerate(REFUSED.items())]
    to = live.producer(case.brokers)
    for record in orders + bad:
        live.send(to, "orders", record["id"], json.dumps(record))
    for i in range(N):
        live.send(to, "scores", f"s{i}", json.dumps({"fraud_signal_id": f"s{i}", "fraud_score": i / 7, "at": "2026-03-01T00:00:01Z"}))
    to.flush()
    file = case.topology(WRITE)
    case.live(file)
    return file, orders, bad


def refused(case):
    """What was told of rows that no test.Order can hold, by sink."""
    found = {}
    for _, _, _, value, headers in live.committed(case.brokers, "orders.dlq"):
        letter = json.loads(value)
        found.setdefault(headers["ls.node"].decode(), {})[letter["payload"].get("id") or letter["payload"]["sku"]] = headers["ls.error"].decode()
    return found


def check_written(case, orders, bad):
    wanted = {record["id"]: as_message(record) for record in orders}
    failures = report("orders", dict(messages(case, "framed", "test.Order")), wanted)
    failures += report("orders that came twice", len(messages(case, "framed", "test.Order")), N)
    failures += report("scores", dict(messages(case, "scores-out", "payments.v1.FraudSignal")),
                       {f"s{i}": {"fraud_signal_id": f"s{i}", "fraud_score": i / 7, "inference_time": "2026-03-01T00:00:01Z"} for i in range(N)})
    parts = [message for _, message in messages(case, "parts-out", "test.Order.Item")]
    items = [without_nulls({"sku": part["sku"] or ("none" if part["sku"] is None else ""), "n": part["n"], "raw": part["raw"]})
             for record in orders + bad for part in record["items"]]
    in_order = lambda rows: sorted(json.dumps(row, sort_keys=True) for row in rows)
    failures += report("parts", in_order(parts), in_order(items))
    table = {}
    for key, message in messages(case, "table", "test.Payment"):
        table[key] = message
    left = {record["id"]: record for record in orders if record["done"] is False}
    failures += report("rows of the table", {key for key, message in table.items() if message}, set(left))
    failures += report("a column of them", {key: message.get("i32", 0) for key, message in table.items() if message},
                       {key: 7 if record["small"] is None else record["small"] for key, record in left.items()})
    return failures


def heads(case):
    """The place of the message is in front of each value."""
    found = {}
    for topic in ("framed", "scores-out", "parts-out"):
        found[topic] = {value[5:5 + n] for _, _, _, value, _ in live.committed(case.brokers, topic) for n in (1 if topic != "parts-out" else 3,)}
    return report("places", found, {"framed": {b"\0"}, "scores-out": {b"\0"}, "parts-out": {b"\4\0\0"}})


def both_ways(case):
    """Confluent's deserializer and our own sources read what we write."""
    file, orders, bad = write(case)
    failures = check_written(case, orders, bad) + heads(case)
    letters = refused(case)
    for sink in ("framed", "plain"):
        failures += report(f"what {sink} refused", {key: error.split(":")[0] for key, error in letters.get(sink, {}).items()},
                           {f"bad-{name}": f"column {name}" for name in REFUSED})
    case.live(case.topology(READ, application="back"))
    wanted = {key: record for key, record in by_id(case, "as-json").items() if not key.startswith("bad-")}
    failures += report("rows", len(wanted), N)
    for topic in ("framed-back", "plain-back"):
        failures += report(f"rows of {topic}", by_id(case, topic), wanted)
    for topic in ("framed", "plain"):
        failures += report(f"letters of {topic}", len(live.committed(case.brokers, f"{topic}.dlq")), 0)
    case.run("parity", file)
    case.live(file)  # finds its schemas
    for topic in ("framed", "parts-out"):
        failures += report(f"versions of {topic}", case.client.get_versions(f"{topic}-value"), [1])
    case.live(case.topology(WRITE, settings=", auto_register: false"))
    return failures


def table(case):
    """A row that goes is a record without a value."""
    to = live.producer(case.brokers)
    dice = random.Random(1)
    for done in (False, True):
        live.send(to, "orders", "gone", json.dumps({**order(dice, 900), "id": "gone", "small": 1, "memo": "m", "card": None, "cash": None, "done": done}))
    to.flush()
    file = case.topology(WRITE)
    case.live(file)
    failures = report("a row that goes", [message and message["i32"] for key, message in messages(case, "table", "test.Payment") if key == "gone"], [1, None])
    case.run("parity", file)
    return failures


def of_others(case):
    """With auto_register off the newest schema of the subject is taken, whatever else is in it: the place of our message in it goes in front."""
    text = (recon.SOURCE / "tests/unit/codec/helper_order.proto").read_text().replace("helper_timestamp", "google/protobuf/timestamp")
    text = text.replace("enum State", "message Before {} enum State")
    names = ("framed", "parts-out")
    for topic in names:
        case.client.set_compatibility(f"{topic}-value", "NONE")
        case.client.register_schema(f"{topic}-value", Schema(text, "PROTOBUF"))
    case.client.clear_latest_caches()
    before = {topic: [value for _, _, _, value, _ in live.committed(case.brokers, topic)] for topic in names}
    to = live.producer(case.brokers)
    record = {**order(random.Random(2), 950), "id": "of-others", "memo": "m", "items": [{"sku": "s", "n": 1, "raw": None, "parts": []}]}
    live.send(to, "orders", "of-others", json.dumps(record))
    to.flush()
    case.live(case.topology(WRITE, settings=", auto_register: false"))
    failures = 0
    for topic, place, name, wanted in (("framed", b"\2\2", "test.Order", as_message(record)), ("parts-out", b"\4\2\2", "test.Order.Item", {"sku": "s", "n": 1})):
        new = [value for _, _, _, value, _ in live.committed(case.brokers, topic) if value not in before[topic]]
        schema_id, file = file_of(case, topic)
        head = b"\0" + schema_id.to_bytes(4, "big") + place
        failures += report(f"new values of {topic}", [value[:len(head)] for value in new], [head])
        read = ProtobufDeserializer(class_of(file, name), {"use.deprecated.format": False, **SUBJECTS})
        message = read(new[0], SerializationContext(topic, MessageField.VALUE))
        failures += report(f"what {topic} holds", json_format.MessageToDict(message, preserving_proto_field_name=True), wanted)
    case.live(case.topology(READ, application="back"))
    failures += report("read back", [by_id(case, f"{topic}-back")["of-others"] for topic in ("framed", "plain")], [by_id(case, "as-json")["of-others"]] * 2)
    case.client.register_schema("framed-value", Schema(text.replace("string memo = 2", "string memo = 20"), "PROTOBUF"))
    said = case.live(case.topology(WRITE, settings=", auto_register: false"), code=2)
    return failures + report("another number", [word for word in ("framed-value", "memo", "number 20") if word not in said], [])


def incompatible(case):
    """Refused before a record is read; with auto_register off what is not there is told."""
    other = Schema('syntax = "proto2"; package test; message Order { required int64 id = 1; required string way = 2; }', "PROTOBUF")
    case.client.register_schema("taken-value", other)
    case.registry.ask("/config/taken-value", '{"compatibility":"FULL"}', "PUT")
    said = case.live(case.topology(WRITE, framed="taken"), code=2)
    failures = report("an incompatible schema", [word for word in ("taken-value", "not compatible", "409") if word not in said], [])
    said = case.live(case.topology(WRITE, framed="missing", settings=", auto_register: false"), code=2)
    return failures + report("a schema that is not there", [word for word in ("missing-value", "auto_register") if word not in said], [])


def main():
    registry_server.need()
    with tempfile.TemporaryDirectory() as scratch, kafka_server.running(wait=False) as cluster, registry_server.running() as registry:
        cluster.await_started()
        live.make_topics(cluster.bootstrap, ["orders", "scores"], 2)
        case = Case(cluster.bootstrap, registry, scratch)
        failures = 0
        for part in (both_ways, table, incompatible, of_others):
            begin = time.monotonic()
            failures += part(case)
            print(f"{part.__name__}: {time.monotonic() - begin:.1f} s", flush=True)
    sys.exit(failures != 0)


main()
