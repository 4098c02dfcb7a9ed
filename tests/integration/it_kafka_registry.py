#!/usr/bin/env python3
"""Confluent wire format on a real broker and a real registry (Apicurio). Confluent's own serializers write what we read, JSON and
protobuf, and read what we write. Records whose schema is not ours are dead letters and can be replayed; a registry that is away costs
nothing but time; one that refuses ends the run before it has read a record. No output shows a secret."""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import kafka_server
import live
import recon
import registry_server

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, topic_subject_name_strategy
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

TOPOLOGY = """
libstream: 1
name: registry
runtime: {{ memory: 64MiB, threads: 1 }}
kafka: {{ application_id: {application} }}
schema_registry: {{ url: "{url}"{settings} }}
plugins: [recon_proto]
schemas:
  payment:
    key: id
    time: at
    fields: {{ id: string, card: {{ type: string, sensitive: true }}, amount: "decimal(9,2)", country: string, at: timestamp }}
  transfer:
    key: transaction_id
    time: timestamp
    fields: {{ transaction_id: string, amount: "decimal(18,4)", timestamp: timestamp }}
  country:
    key: code
    fields: {{ code: string, name: string }}
sources:
  payments: {{ schema: payment, live: {{ kafka: payments, registry: true, idle_after: 1ms }} }}
  transfers: {{ schema: transfer, protobuf: payments.v1.Transaction, live: {{ kafka: transfers, format: protobuf, registry: true, idle_after: 1ms }} }}
tables:
  countries: {{ schema: country, global: true, live: {{ kafka: countries, registry: true }} }}
steps:
  placed: {{ from: payments, left_join: {{ with: countries, on: country }} }}
  shown: {{ from: placed, select: {{ id: id, amount: {amount}, country: countries.name, at: at }} }}
  moved: {{ from: transfers, select: {{ id: transaction_id, amount: amount, at: timestamp }} }}
sinks:
  out: {{ from: shown, live: {{ kafka: {out}, registry: true, create: {{ partitions: 2 }} }} }}
  moves: {{ from: moved, live: {{ kafka: moves, create: {{ partitions: 2 }} }} }}
"""
# not the default of this client, which asks for associations first: Apicurio has none
SUBJECTS = {"subject.name.strategy": topic_subject_name_strategy}
CARD = "4111-1111-1111-1111"
PASSWORD = "pa55-w0rd-of-the-registry"
N = 50
LETTERS = {"payments": {"not_wire_format": 1, "unknown_schema": 1, "wrong_schema_type": 1, "no_value": 1, "wrong_type": 1},
           "transfers": {"not_wire_format": 1, "unknown_schema": 1, "wrong_schema_type": 1, "wrong_message": 1}}


def json_schema(**fields):
    required = [name for name, type_ in fields.items() if isinstance(type_, str)]
    return json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "title": "record", "type": "object",
                       "additionalProperties": False, "required": required, "properties": {name: {"type": type_} for name, type_ in fields.items()}})


PAYMENT = json_schema(id="string", card="string", amount="string", country="string", at="string")
PAYMENT_2 = json_schema(id="string", card="string", amount="string", country="string", at="string", note=["null", "string"])
COUNTRY = json_schema(code="string", name="string")


def messages():
    """Classes of the messages in proto/payments.proto, of which this test needs texts."""
    file = descriptor_pb2.FileDescriptorProto(name="payments.proto", package="payments.v1", syntax="proto2")
    fields = {"Transaction": "transaction_id merchant_id user_id amount currency status timestamp", "FraudSignal": "fraud_signal_id transaction_id"}
    for name, names in fields.items():
        message = file.message_type.add(name=name)
        for number, field in enumerate(names.split(), 1):
            message.field.add(name=field, number=number, label=1, type=9)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(f"payments.v1.{name}")) for name in fields]


class Case:
    def __init__(self, brokers, registry, scratch):
        self.brokers, self.registry, self.scratch = brokers, registry, pathlib.Path(scratch)
        self.client = SchemaRegistryClient({"url": registry.url, "timeout": 10})
        self.n_files = 0
        self.said = ""

    def topology(self, url=None, settings="", amount="amount", application="registry", out="out"):
        self.n_files += 1
        path = self.scratch / f"{self.n_files}.yaml"
        path.write_text(TOPOLOGY.format(url=url or self.registry.url, settings=settings, amount=amount, application=application, out=out))
        return path

    def begin(self, *command, **environment):
        return subprocess.Popen([str(part) for part in (recon.BIN / "streamctl", *command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=recon.environment(KAFKA_BROKERS=self.brokers, LS_UDF_DIR=str(recon.BUILD / "lib/libstream/udf"), **environment))

    def end(self, process, code=0):
        out, said = process.communicate(timeout=150)
        self.said = said
        if process.returncode != code:
            raise SystemExit(f"FAILED: {process.args}: exit {process.returncode}, not {code}\n{out[-1500:]}\n{said[-3000:]}")
        for secret in (CARD, PASSWORD):
            if secret in out + said:
                raise SystemExit(f"FAILED: {process.args} tells a secret")
        return out

    def run(self, *command, code=0, **environment):
        return self.end(self.begin(*command, **environment), code)

    def live(self, file, code=0, **environment):
        return self.run("run", file, "--live", "--until-end", "--quiet", "--output-format", "json", code=code, **environment)

    def refused(self, what, words, file, **environment):
        """The run ends with 2 and says words, before it has read anything."""
        self.live(file, code=2, **environment)
        missing = [word for word in words if word not in self.said]
        return report(what, missing, [])

    def json_value(self, topic, schema, record):
        return JSONSerializer(schema, self.client, conf=SUBJECTS)(record, SerializationContext(topic, MessageField.VALUE))


def report(what, found, wanted):
    if found == wanted:
        return 0
    print(f"FAILED: {what}: {found} instead of {wanted}")
    return 1


def payment(i, **more):
    return {"id": f"p{i}", "card": CARD, "amount": f"{i}.25", "country": "DE" if i % 2 else "FR", "at": f"2026-03-01T00:00:{i % 60:02d}Z", **more}


def framed(schema_id, payload, path=b""):
    return b"\0" + schema_id.to_bytes(4, "big") + path + payload


def send_all(case, transaction, signal):
    """Good records by Confluent's serializers, of two versions of a schema; then bad ones. The id that nobody knows yet is returned."""
    to = live.producer(case.brokers)
    case.client.set_compatibility("payments-value", "NONE")
    for code, name in (("DE", "Germany"), ("FR", "France")):
        live.send(to, "countries", code, case.json_value("countries", COUNTRY, {"code": code, "name": name}))
    live.send(to, "countries", "XX", json.dumps({"code": "XX", "name": "not framed"}))
    for i in range(N):
        value = case.json_value("payments", PAYMENT, payment(i)) if i % 3 else case.json_value("payments", PAYMENT_2, payment(i, note="new\n"))
        live.send(to, "payments", f"p{i}", value, timestamp=1772323200000 + i)
    serialize = ProtobufSerializer(transaction, case.client, {"use.deprecated.format": False, **SUBJECTS})
    for i in range(N):
        message = transaction(transaction_id=f"t{i}", user_id=CARD, amount=f"{i}.5000", timestamp=f"2026-03-01T00:01:{i % 60:02d}Z")
        live.send(to, "transfers", f"t{i}", serialize(message, SerializationContext("transfers", MessageField.VALUE)), timestamp=1772323200000 + i)
    of_json, of_protobuf = case.client.get_latest_version("payments-value").schema_id, case.client.get_latest_version("transfers-value").schema_id
    # the sink's schema comes next, so this one is not known before another is registered
    unknown = max(of_json, of_protobuf) + 2
    plain = json.dumps(payment(90)).encode()
    broken = json.dumps({**payment(91), "amount": {}}).encode()
    for value in (plain, framed(unknown, json.dumps(payment(92)).encode()), framed(of_protobuf, plain), None, framed(of_json, broken)):
        live.send(to, "payments", "bad", value, timestamp=1772323300000)
    other = serialize(transaction(transaction_id="x"), SerializationContext("transfers", MessageField.VALUE))[6:]
    for value in (plain, framed(unknown, other, b"\0"), framed(of_json, other, b"\0"), framed(of_protobuf, signal(fraud_signal_id="f").SerializeToString(), b"\2\2")):
        live.send(to, "transfers", "bad", value, timestamp=1772323300000)
    to.flush()
    return unknown


def rows(case, topic, framed_by=None):
    """By id; framed: read by Confluent's deserializer, which holds each value against the registered schema."""
    found = {}
    for _, _, key, value, _ in live.committed(case.brokers, topic):
        record = json.loads(value) if framed_by is None else framed_by(value, SerializationContext(topic, MessageField.VALUE))
        found.setdefault(record["id"], []).append(record)
        if key.decode() != record["id"]:
            raise SystemExit(f"FAILED: {topic}: key {key} of {record}")
    return found


def reasons(case):
    found = {}
    for topic in LETTERS:
        found[topic] = {}
        for _, _, _, value, headers in live.committed(case.brokers, f"{topic}.dlq"):
            reason = headers["ls.reason"].decode()
            found[topic][reason] = found[topic].get(reason, 0) + 1
            if CARD.encode() in value:
                raise SystemExit("FAILED: a dead letter tells a sensitive value")
    return found


def both_ways(case):
    """What Confluent's serializers wrote comes out whole, and is read by Confluent's deserializer."""
    transaction, signal = messages()
    unknown = send_all(case, transaction, signal)
    file = case.topology()
    case.live(file)
    failures = report("table record", "reason=not_wire_format" in case.said, True)
    wanted = {f"p{i}": [{"id": f"p{i}", "amount": f"{i}.25", "country": "Germany" if i % 2 else "France",
                         "at": f"2026-03-01T00:00:{i % 60:02d}Z"}] for i in range(N)}
    schema = case.client.get_latest_version("out-value")
    failures += report("kind of the sink's schema", schema.schema.schema_type, "JSON")
    reader = JSONDeserializer(None, schema_registry_client=case.client, conf=SUBJECTS)
    failures += report("rows", rows(case, "out", reader), wanted)
    moved = rows(case, "moves")
    failures += report("transfers", {key: row[0]["amount"] for key, row in moved.items()}, {f"t{i}": f"{i}.5000" for i in range(N)})
    failures += report("dead letters", reasons(case), LETTERS)
    case.run("parity", file)
    # started again it finds its schema, and nothing to do
    case.live(file)
    failures += report("versions of the sink's schema", case.client.get_versions("out-value"), [1])
    failures += report("rows once more", rows(case, "out", reader), wanted)
    return failures + replayed(case, file, unknown, reader)


def replayed(case, file, unknown, reader):
    """A schema that comes late: the dead letters that wanted it are replayed and processed."""
    got = case.client.register_schema("late-value", Schema(json_schema(id="string", late="string"), "JSON"))
    failures = report("id of the late schema", got, unknown)
    case.run("dlq", "replay", file, "--source", "payments")
    case.live(file)
    failures += report("the late record", [row["amount"] for row in rows(case, "out", reader).get("p92", [])], ["92.25"])
    return failures


def incompatible(case):
    """Another type in a column: refused before a record is read, and with auto_register off what is not there is told."""
    case.registry.ask("/config/out-value", '{"compatibility":"BACKWARD"}', "PUT")
    failures = case.refused("an incompatible schema", ["out-value", "not compatible", "409"], case.topology(amount="1"))
    failures += case.refused("a schema that is not there", ["other-value", "auto_register"],
                             case.topology(settings=", auto_register: false", out="other"))
    case.live(case.topology(settings=", auto_register: false"))
    return failures


def protected(case):
    """TLS with a certificate of our own, basic and bearer; what is wrong is told, but no secret."""
    ca, certificate = registry_server.make_certificates(case.scratch)
    front = registry_server.Front(case.registry, certificate)
    front.accepts = {registry_server.basic("reader", PASSWORD), f"Bearer {PASSWORD}"}
    user = ', username: reader, password: "${{env:SR_PASSWORD}}"'.replace("{{", "{").replace("}}", "}")
    secret = case.scratch / "token"
    secret.write_text(PASSWORD + "\n")
    trusted = f', ca_file: "{ca}"'
    failures = case.refused("a certificate that nobody knows", ["certificate"], case.topology(front.url, user), SR_PASSWORD=PASSWORD)
    failures += case.refused("a wrong password", ["HTTP 401", "credentials"], case.topology(front.url, user + trusted), SR_PASSWORD="wrong")
    failures += case.refused("a password that is not there", ["SR_PASSWORD"], case.topology(front.url, user + trusted))
    case.live(case.topology(front.url, user + trusted), SR_PASSWORD=PASSWORD)
    case.live(case.topology(front.url, ', token: "${file:token}"' + trusted))
    failures += report("asked for each run's schema", front.asked.count("/subjects/out-value/versions"), 2)
    front.close()
    return failures


def away(case):
    """The registry is away at the start, and again when a schema is new: nothing is lost, nothing is a dead letter."""
    front = registry_server.Front(case.registry)
    front.down = True
    n_letters = len(live.committed(case.brokers, "payments.dlq"))
    to = live.producer(case.brokers)
    process = case.begin("run", case.topology(front.url), "--live", "--quiet")
    try:
        failures = went_away(case, front, to, process)
    except SystemExit:
        process.kill()
        print(f"it asked for {front.asked[-20:]}, and said: {process.communicate()[1][-3000:]}")
        raise
    failures += report("new dead letters", len(live.committed(case.brokers, "payments.dlq")) - n_letters, 0)
    front.close()
    return failures


def went_away(case, front, to, process):
    live.wait_for("a second question at the start", lambda: front.asked.count("/schemas/types") >= 2)
    front.down = False
    of_table = f"/schemas/ids/{case.client.get_latest_version('countries-value').schema_id}"
    live.wait_for("the schema of the table", lambda: of_table in front.asked)
    front.down = True
    schema = json_schema(id="string", card="string", amount="string", country="string", at="string", extra=["null", "string"])
    for i in range(1000, 1000 + N):
        live.send(to, "payments", f"p{i}", case.json_value("payments", schema, payment(i, extra="x")))
    to.flush()
    new = f"/schemas/ids/{case.client.register_schema('payments-value', Schema(schema, 'JSON'))}"
    live.wait_for("another question for the schema", lambda: front.asked.count(new) >= 2)
    front.down = False
    reader = JSONDeserializer(None, schema_registry_client=case.client, conf=SUBJECTS)
    wanted = {f"p{i}" for i in range(1000, 1000 + N)}
    live.wait_for("the rows", lambda: wanted <= set(rows(case, "out", reader)))
    process.terminate()
    case.end(process)
    found = rows(case, "out", reader)
    failures = report("rows that came twice", [key for key in wanted if len(found[key]) != 1], [])
    return failures + report("what it said", "HTTP 503" in case.said, True)


def main():
    registry_server.need()
    with tempfile.TemporaryDirectory() as scratch, kafka_server.running(wait=False) as cluster, registry_server.running() as registry:
        cluster.await_started()
        live.make_topics(cluster.bootstrap, ["payments", "transfers", "countries"], 2)
        case = Case(cluster.bootstrap, registry, scratch)
        failures = 0
        for part in (both_ways, incompatible, protected, away):
            begin = time.monotonic()
            failures += part(case)
            print(f"{part.__name__}: {time.monotonic() - begin:.1f} s", flush=True)
    sys.exit(failures != 0)


main()
