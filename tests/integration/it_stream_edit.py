#!/usr/bin/env python3
"""A topology that was edited, on the state and the rows in flight of the version before: what survives goes on; what does not is
refused with a name and exit 2, on both backends and with or without the state directory, and nothing is changed by the attempt."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import confluent_kafka.admin
import kafka_server
import live
import recon

TOPOLOGY = """
libstream: 1
name: edit
runtime: {{ memory: 64MiB, state: {{ backend: {backend} }} }}
kafka: {{ application_id: "{application}", properties: {{ topic.metadata.refresh.interval.ms: "{refresh_ms}", session.timeout.ms: "6000" }} }}
schemas:
  payment:
    key: id
    time: at
    fields: {{ id: string, shop: string, amount: "decimal(9,2)", at: timestamp }}
sources:
  payments: {{ schema: payment, live: {{ kafka: payments, idle_after: 1ms }} }}
steps:
  by_shop:
    from: payments
    select: {{ id: id, shop: shop, {column}, at: at }}
  totals:
    from: by_shop
    aggregate: {{ by: shop, values: {{ {values} }}, store: {store} }}
sinks:
  totals: {{ from: totals, live: {{ kafka: "{application}-out", create: {{ partitions: 2 }} }} }}
"""
FIRST = {"column": "amount: amount", "values": "n: count(*), total: sum(amount)", "store": "totals"}
COMPUTED = FIRST | {"values": "n: count(*), highest: max(amount)"}
RENAMED = FIRST | {"store": "other_totals"}
WIDER = {"column": 'amount: "CAST(amount AS decimal(12,4))"', "values": "n: count(*)", "store": "counts"}


class Case:
    def __init__(self, brokers, scratch, backend, name=None):
        self.brokers, self.scratch, self.backend = brokers, pathlib.Path(scratch), backend
        self.application = f"edit-{name or backend}"
        self.state = self.scratch / f"state-{name or backend}"
        self.refresh_ms = 200 if name else 300000  # how soon new partitions are seen

    def command(self, version):
        file = self.scratch / "edit.yaml"
        file.write_text(TOPOLOGY.format(backend=self.backend, application=self.application, refresh_ms=self.refresh_ms, **version))
        return [recon.BIN / "streamctl", "run", file, "--live", "--state-dir", self.state, "--output-format", "json", "--quiet"]

    def start(self, version):
        return subprocess.Popen(self.command(version), env=recon.environment(KAFKA_BROKERS=self.brokers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def run(self, version, code=0):
        done = subprocess.run([*self.command(version), "--until-end"], env=recon.environment(KAFKA_BROKERS=self.brokers), capture_output=True, text=True, timeout=120)
        if done.returncode != code:
            raise SystemExit(f"FAILED: exit {done.returncode}, not {code}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}")
        return done

    def totals(self):
        return {shop: (row["n"], row["total"]) for shop, row in live.last_rows(live.committed(self.brokers, f"{self.application}-out")).items()}


def pay(brokers, begin, n):
    to = live.producer(brokers)
    for i in range(begin, begin + n):
        record = {"id": f"p{i}", "shop": f"shop-{i % 5}", "amount": f"{i}.25", "at": f"2026-03-01T00:00:{i % 60:02d}Z"}
        live.send(to, "payments", record["id"], json.dumps(record))
    to.flush()


def expect_refused(case, version, *words):
    done = case.run(version, code=2)
    missing = [word for word in words if word not in done.stderr]
    if missing:
        print(f"FAILED: {missing} not in\n{done.stderr}")
    return bool(missing)


def in_flight(case):
    """A row of the first version that nobody has processed yet: the last one of the repartition topic, once more. (That version is
    killed, since in an orderly stop it deletes what it has processed.)"""
    topics = live.admin(case.brokers).list_topics(timeout=30).topics
    [topic] = [name for name in topics if name.startswith(case.application) and name.endswith("-repartition")]
    purged = live.committed(case.brokers, topic)
    if purged:
        raise SystemExit(f"FAILED: {len(purged)} processed rows are still in {topic}")
    before = live.end_offsets(case.brokers, topic)
    process = case.start(FIRST)
    pay(case.brokers, 200, 20)
    until = time.monotonic() + 60
    while sum(live.end_offsets(case.brokers, topic).values()) < sum(before.values()) + 20 or not live.committed(case.brokers, topic):
        if time.monotonic() > until:
            raise SystemExit("FAILED: nothing came to the repartition topic")
        time.sleep(0.2)
    process.kill()
    process.wait()
    partition, _, key, value, _ = live.committed(case.brokers, topic)[-1]
    to = live.producer(case.brokers)
    live.send(to, topic, key, value, partition=partition)
    to.flush()
    return topic


def changelog_lost(case):
    """Without its changelog a store would go on from nothing, while its input is committed: refused, with state on disk or not."""
    changelog, client = f"{case.application}-totals-changelog", live.admin(case.brokers)
    for future in client.delete_topics([changelog]).values():
        future.result(30)
    return expect_refused(case, FIRST, "store totals", changelog, "it was deleted or cut")


def offsets_lost(case):
    """State, and a group without offsets: all input would be counted twice."""
    case.run(FIRST)
    client = live.admin(case.brokers)
    for future in client.delete_consumer_groups([case.application]).values():
        future.result(30)
    return expect_refused(case, FIRST, "store totals", "has no offsets", case.application)


def delete_source(client):
    for future in client.delete_topics(["payments"]).values():
        future.result(30)
    live.wait_for("the deletion of payments", lambda: "payments" not in client.list_topics(timeout=30).topics)


def source_cut(case):
    """A source that ends before what was read of it: what comes there next would be left out."""
    case.run(FIRST)
    member = confluent_kafka.Consumer({"bootstrap.servers": case.brokers, "group.id": case.application})
    member.commit(offsets=[confluent_kafka.TopicPartition("payments", 0, 100000)], asynchronous=False)
    member.close()
    return expect_refused(case, FIRST, "source payments", "the group has read it to 100000")


def latest(case):
    """`from: latest` begins once: what comes after is counted, also when its commits fail and the process is killed."""
    topology = TOPOLOGY.replace("idle_after: 1ms", "idle_after: 1ms, from: latest")
    file, client = case.scratch / "latest.yaml", live.admin(case.brokers)
    file.write_text(topology.format(backend="memory", application=case.application, refresh_ms=300000, **FIRST))
    command = [recon.BIN / "streamctl", "run", file, "--live", "--quiet"]
    environment = recon.environment(KAFKA_BROKERS=case.brokers)
    process = subprocess.Popen(command, env=environment | {"LS_FAULT": "stream.flushed:2:fail"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wanted = [confluent_kafka.TopicPartition("payments", p) for p in range(2)]
    group = confluent_kafka.ConsumerGroupTopicPartitions(case.application, wanted)
    offsets = lambda: client.list_consumer_group_offsets([group])[case.application].result(30).topic_partitions
    live.wait_for("the commit of where it begins", lambda: all(at.offset >= 0 for at in offsets()))
    pay(case.brokers, 400, 30)
    time.sleep(0.2)
    process.kill()
    process.wait()
    live.wait_for("the end of the dead", lambda: members(client, case) == 0)  # what they have is theirs until their session ends
    done = subprocess.run([*command, "--until-end"], env=environment, capture_output=True, text=True, timeout=120)
    n = sum(n for n, _ in case.totals().values())
    if done.returncode != 0 or n != 30:
        print(f"FAILED: from latest: exit {done.returncode}, {n} of 30 counted\n{done.stderr[-2000:]}")
    return done.returncode != 0 or n != 30


def check(case):
    failed = 0
    case.run(FIRST)
    before = case.totals()
    if case.backend == "rocksdb":
        failed += expect_refused(case, COMPUTED, "totals")  # its own database says so
        shutil.rmtree(case.state)                           # another machine: the changelog does
    failed += expect_refused(case, COMPUTED, "store totals", f"{case.application}-totals-changelog", "plan FILE --against")
    pay(case.brokers, 100, 20)
    case.run(FIRST)
    after = case.totals()
    grown = sum(n for n, _ in after.values()) - sum(n for n, _ in before.values())
    if grown != 20:
        print("FAILED: the first version counted", grown, "of 20 new payments")
        failed += 1
    case.run(RENAMED)  # a new store begins empty
    topic = in_flight(case)
    failed += expect_refused(case, WIDER, topic, "other columns")
    failed += changelog_lost(case)
    return failed


def members(client, case):
    return len(client.describe_consumer_groups([case.application])[case.application].result(30).members)


def joined(client, case):
    """A run that has joined its group."""
    process = subprocess.Popen(case.command(FIRST), env=recon.environment(KAFKA_BROKERS=case.brokers), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    live.wait_for("the run into its group", lambda: members(client, case) > 0)
    return process


def grown(case):
    """More partitions of a source end the run that has begun, and one that begins with stores of the old number."""
    case.run(FIRST)
    client = live.admin(case.brokers)
    process = joined(client, case)
    for future in client.create_partitions([confluent_kafka.admin.NewPartitions("payments", 4)]).values():
        future.result(30)
    _, errors = process.communicate(timeout=60)
    told = "topic payments had 2 partitions at the start" in errors
    if process.returncode != 2 or not told:
        print(f"FAILED: exit {process.returncode}\n{errors[-3000:]}")
    if members(client, case) != 0:  # its session has not run out yet
        raise SystemExit("FAILED: a run that ended with an error is still a member of its group")
    return (process.returncode != 2 or not told) + expect_refused(case, FIRST, f"{case.application}-totals-", "2 partitions, and must have 4")


def deleted(case):
    """A run whose source topic is deleted ends by itself or when it is told to; with librdkafka 2.0.2, whose client never ends then, too."""
    case.run(FIRST)
    client = live.admin(case.brokers)
    process = joined(client, case)
    delete_source(client)
    process.terminate()
    try:
        _, errors = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        raise SystemExit("FAILED: a run whose source is deleted does not end") from None
    if process.returncode not in (0, 2):
        print(f"FAILED: exit {process.returncode}\n{errors[-3000:]}")
    return process.returncode not in (0, 2)


def main():
    kafka_server.need()
    failed = 0
    with tempfile.TemporaryDirectory() as scratch, kafka_server.running() as cluster:
        live.make_topics(cluster.bootstrap, ["payments"], 2)
        pay(cluster.bootstrap, 0, 50)
        for backend in ("memory", "rocksdb"):
            failed += check(Case(cluster.bootstrap, scratch, backend))
        failed += offsets_lost(Case(cluster.bootstrap, scratch, "rocksdb", "offsets"))
        failed += offsets_lost(Case(cluster.bootstrap, scratch, "memory", "memory-offsets"))
        failed += latest(Case(cluster.bootstrap, scratch, "memory", "latest"))
        failed += source_cut(Case(cluster.bootstrap, scratch, "memory", "cut"))
        failed += grown(Case(cluster.bootstrap, scratch, "memory", "grown"))
        failed += deleted(Case(cluster.bootstrap, scratch, "rocksdb", "deleted"))
    print("FAILED" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
