#!/usr/bin/env python3
"""streamctl dlq on a real broker: letters are listed with where they came from and without payloads; once the cause is mended, the
records are replayed, each once, also when the replay is killed before or after its commit; what still fails is a new letter."""

import json
import pathlib
import subprocess
import sys
import tempfile

import kafka_server
import live
import recon

TOPOLOGY = """
libstream: 1
name: dlq
runtime: {{ memory: 64MiB, max_bad_records: "100%" }}
kafka: {{ application_id: dlq, properties: {{ session.timeout.ms: "6000" }} }}
schemas:
  payment:
    key: id
    time: at
    fields: {{ id: string, card: {{ type: string, sensitive: true }}, amount: {{ type: "decimal(9,2)", max: {highest} }}, at: timestamp }}
sources:
  payments: {{ schema: payment, live: {{ kafka: payments, idle_after: 1ms }} }}
  refunds:  {{ schema: payment, live: {{ kafka: refunds, idle_after: 1ms }} }}
steps:
  all: {{ merge: [payments, refunds] }}
  shown: {{ from: all, select: {{ id: id, amount: amount, at: at }} }}
sinks:
  out: {{ from: shown, live: {{ kafka: out, create: {{ partitions: 2 }} }} }}
"""
SECRET = "4111-1111-1111-1111"
N = 40


BEHIND = """
libstream: 1
name: behind
runtime: { memory: 64MiB }
kafka: { application_id: behind, properties: { session.timeout.ms: "6000" } }
schemas:
  fee: { key: id, time: at, fields: { id: string, kind: string, amount: int64, at: timestamp } }
sources:
  bills: { schema: fee, live: { kafka: bills, idle_after: 1ms } }
  fees:  { schema: fee, live: { kafka: fees, idle_after: 1ms } }
steps:
  shown: { from: bills, select: { id: id, kind: kind, sort: kind, at: at } }
  totals: { from: fees, aggregate: { by: kind, values: { n: "count(*)", shares: "sum(100 / amount)" }, store: totals } }
sinks:
  shown: { from: shown, live: { kafka: shown, create: { partitions: 2 } } }
  totals: { from: totals, live: { kafka: totals, create: { partitions: 2 } } }
"""


class Case:
    def __init__(self, brokers, scratch):
        self.brokers, self.file = brokers, pathlib.Path(scratch, "dlq.yaml")

    def run(self, *command, code=0, **environment):
        done = subprocess.run([str(part) for part in (recon.BIN / "streamctl", *command)], capture_output=True, text=True, timeout=120,
                              env=recon.environment(KAFKA_BROKERS=self.brokers, **environment))
        if done.returncode != code:
            raise SystemExit(f"FAILED: {command}: exit {done.returncode}, not {code}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}")
        if SECRET in done.stdout + done.stderr:
            raise SystemExit(f"FAILED: {command} tells a sensitive value")
        return done.stdout

    def live(self, highest):
        self.file.write_text(TOPOLOGY.format(highest=highest))
        self.run("run", self.file, "--live", "--until-end", "--quiet", "--output-format", "json")

    def dlq(self, word, *options, **named):
        """The lines of letters, and the last line."""
        lines = [json.loads(line) for line in self.run("dlq", word, self.file, "--output-format", "json", "--limit", "1000", *options, **named).splitlines()]
        return lines[:-1], lines[-1] if lines else None


def send_all(brokers):
    """Of each topic N payments; every fourth is too high for the first limit, one of them for any, and one is broken."""
    to = live.producer(brokers)
    for topic in ("payments", "refunds"):
        for i in range(N):
            amount = "99999.00" if i == 8 else "500.00" if i % 4 == 0 else "5.00"
            record = {"id": f"{topic}-{i}", "card": SECRET, "amount": amount, "at": f"2026-03-01T00:00:{i:02d}Z"}
            value = json.dumps(record) if i != 9 else json.dumps(record)[:-5]
            live.send(to, topic, record["id"], value, headers=[("trace", f"t{i}".encode())], timestamp=1772323200000 + i)
    to.flush()


def expect(what, found, wanted):
    if found == wanted:
        return 0
    print(f"FAILED: {what}: {found} instead of {wanted}")
    return 1


def originals(brokers, topic):
    return {(p, o): (key, value, headers) for p, o, key, value, headers in live.committed(brokers, topic)}


def check_copies(brokers, topic, before):
    """What was sent again is as it was, in its partition, and says which letter it answers; each once."""
    failed, seen = 0, set()
    known = {(p, key): (value, headers) for (p, _), (key, value, headers) in before.items()}
    for place, (key, value, headers) in originals(brokers, topic).items():
        if place in before:
            continue
        headers = dict(headers)
        origin = headers.pop("ls.replayed_from").decode()
        failed += expect(f"copy of {key}", (value, headers), known.get((place[0], key)))
        failed += expect(f"letter {origin} answered twice", origin in seen, False)
        seen.add(origin)
    return failed, len(seen)


def check(case):
    failed = 0
    brokers = case.brokers
    send_all(brokers)
    before = {topic: originals(brokers, topic) for topic in ("payments", "refunds")}
    case.live("100.00")
    letters, last = case.dlq("list")
    n_high = N // 4
    failed += expect("letters", last["letters"], 2 * (n_high + 1))
    failed += expect("letters of a source", case.dlq("list", "--source", "refunds")[1]["letters"], n_high + 1)
    places = {(letter["topic"], letter["partition"], letter["offset"]) for letter in letters}
    failed += expect("places of the letters", places <= {(t, *place) for t in before for place in before[t]} and len(places) == len(letters), True)
    case.run("dlq", "list", case.file, "--source", "payment", code=2)
    failed += expect("dry run", case.dlq("replay", "--dry-run")[1]["sent"], 2 * (n_high + 1))
    failed += expect("records after a dry run", {t: len(originals(brokers, t)) for t in before}, {t: N for t in before})

    case.file.write_text(TOPOLOGY.format(highest="1000.00"))
    case.run("dlq", "replay", case.file, code=-9, LS_FAULT="dlq.sent")
    case.run("dlq", "replay", case.file, "--source", "payments", code=-9, LS_FAULT="dlq.committed")
    sent, last = case.dlq("replay")
    failed += expect("sent in all", last["sent"] + check_copies(brokers, "payments", before["payments"])[1], 2 * (n_high + 1))
    failed += expect("gone", last["gone"], 0)
    failed += expect("sent by a second replay", case.dlq("replay")[1]["sent"], 0)
    for topic in before:
        bad, n = check_copies(brokers, topic, before[topic])
        failed += bad + expect(f"copies on {topic}", n, n_high + 1)

    case.live("1000.00")
    rows = live.last_rows(live.committed(brokers, "out"))
    failed += expect("rows at the end", len(rows), 2 * (N - 2))
    failed += expect("letters of what still fails", case.dlq("list")[1]["letters"], 2 * (n_high + 1) + 4)
    return failed


def check_behind(case):
    """A letter of a step behind a repartition is its source's, with the place on the internal topic; no other topic gets it."""
    to = live.producer(case.brokers)
    for topic in ("bills", "fees"):
        for i in range(10):
            live.send(to, topic, f"{topic}{i}", json.dumps({"id": f"{topic}{i}", "kind": f"k{i % 3}", "amount": i, "at": f"2026-03-01T00:00:{i:02d}Z"}))
    to.flush()
    case.file.write_text(BEHIND)
    summary = json.loads(case.run("run", case.file, "--live", "--until-end", "--quiet", "--output-format", "json").splitlines()[-1])
    failed = expect("bad records, conservation", (summary["bad_records"], summary["conservation"]), (1, True))
    failed += expect("records of the sources", {t: len(originals(case.brokers, t)) for t in ("bills", "fees")}, {"bills": 10, "fees": 10})
    failed += expect("letters of the other source", originals(case.brokers, "bills.dlq"), {})
    [(_, _, _, _, headers)] = live.committed(case.brokers, "fees.dlq")
    told = {name: headers[name].decode() for name in ("ls.source", "ls.topic", "ls.node", "ls.reason")}
    failed += expect("headers", told, {"ls.source": "fees", "ls.topic": "behind-totals-repartition", "ls.node": "totals", "ls.reason": "step_failed"})
    case.run("parity", case.file)
    last = case.dlq("replay")[1]
    failed += expect("replayed, gone", (last["sent"], last["gone"]), (0, 1))
    return failed


def check_large(case):
    """A row that no record can hold, and a bad record whose letter none could hold, cost themselves and not the run; event times far in
    the future, which brokers refuse as times of records, cost nothing."""
    to = live.producer(case.brokers)
    for name, amount in (("row", 1), ("letter", "x"), ("small", 2)):
        kind = "k" if name == "small" else "k" * 600000
        live.send(to, "bills", name, json.dumps({"id": name, "kind": kind, "amount": amount, "at": "2026-03-01T00:01:00Z"}))
    for topic in ("bills", "fees"):
        live.send(to, topic, "future", json.dumps({"id": "future", "kind": "future", "amount": 1, "at": "2099-01-01T00:00:00Z"}))
    to.flush()
    summary = json.loads(case.run("run", case.file, "--live", "--until-end", "--quiet", "--output-format", "json").splitlines()[-1])
    failed = expect("bad records, conservation", (summary["bad_records"], summary["conservation"]), (2, True))
    failed += expect("rows", {key for _, _, key, _, _ in live.committed(case.brokers, "shown")}, {f"bills{i}".encode() for i in range(10)} | {b"small", b"future"})
    failed += expect("a total", live.last_rows(live.committed(case.brokers, "totals")).get("future"), {"kind": "future", "n": 1, "shares": 100})
    letters = {headers["ls.reason"]: json.loads(value) for _, _, _, value, headers in live.committed(case.brokers, "bills.dlq")}
    failed += expect("letters", set(letters), {b"step_failed", b"wrong_type"})
    failed += expect("payloads", {"payload" in letter or letter["payload_bytes"] < 600000 for letter in letters.values()}, {False})
    return failed


def main():
    kafka_server.need()
    with tempfile.TemporaryDirectory() as scratch, kafka_server.running() as cluster:
        live.make_topics(cluster.bootstrap, ["payments", "refunds", "bills", "fees"], 2)
        case = Case(cluster.bootstrap, scratch)
        failed = check(case) + check_behind(case) + check_large(case)
    print("FAILED" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
