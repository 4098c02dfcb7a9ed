#!/usr/bin/env python3
"""Global tables of a live run on a real broker: the last record of a key counts, one without a value deletes, whatever the key is."""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import kafka_server
import live
import recon

TOPOLOGY = """
libstream: 1
name: tables
runtime: { memory: 64MiB }
kafka: { application_id: tables }
schemas:
  order:
    key: id
    time: at
    fields: { id: string, number: int64, country: string, at: timestamp }
  name:
    key: number
    fields: { number: int64, name: string }
  rate:
    key: [country, number]
    fields: { country: string, number: int64, rate: "decimal(9,4)" }
sources:
  orders: { schema: order, live: { kafka: orders, idle_after: 1ms } }
tables:
  names: { schema: name, global: true, live: { kafka: names } }
  rates: { schema: rate, global: true, live: { kafka: rates } }
steps:
  named:
    from: orders
    left_join: { with: names, on: number }
  rated:
    from: named
    left_join: { with: rates, on: [country, number] }
  out:
    from: rated
    select: { id: id, name: names.name, rate: rates.rate }
sinks:
  result: { from: out, live: { kafka: result, create: { partitions: 1 } } }
"""
COUNTRIES = ("DE", "FR")


def order(to, n, country, second):
    record = {"id": f"{second}-{country}-{n}", "number": n, "country": country, "at": f"2026-03-01T00:00:{second:02d}Z"}
    live.send(to, "orders", record["id"], json.dumps(record))


def fill_tables(to):
    for n in range(1, 7):
        live.send(to, "names", f"[{n}]", json.dumps({"number": n, "name": f"old {n}"}))
        for country in COUNTRIES:
            live.send(to, "rates", f'["{country}",{n}]', json.dumps({"country": country, "number": n, "rate": f"{n}.5000"}))
    live.send(to, "names", "[2]", None)
    live.send(to, "names", "[4]", None)
    live.send(to, "names", "[4]", json.dumps({"number": 4, "name": "new 4"}))
    live.send(to, "names", "[5]", json.dumps({"number": 5, "name": "new 5"}))
    live.send(to, "names", "[9]", None)  # it was never there
    live.send(to, "rates", '["FR",3]', None)
    to.flush()


def results(brokers):
    rows = {}
    for _, _, key, value, _ in live.committed(brokers, "result"):
        row = json.loads(value)
        rows[key.decode()] = (row["name"], row["rate"])
    return rows


def wait_for(brokers, key, expected, to, n, country, second):
    """Tables follow while the program runs: one order after the other, until one sees the change."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        order(to, n, country, second)
        to.flush()
        time.sleep(1)
        if results(brokers).get(key) == expected:
            return 0
    print("FAILED:", key, results(brokers).get(key), "instead of", expected)
    return 1


def main():
    kafka_server.need()
    failed = 0
    with tempfile.TemporaryDirectory() as scratch, kafka_server.running() as cluster:
        brokers = cluster.bootstrap
        file = pathlib.Path(scratch, "tables.yaml")
        file.write_text(TOPOLOGY)
        live.make_topics(brokers, ["orders", "names", "rates"], 2)
        to = live.producer(brokers)
        fill_tables(to)
        for n in range(1, 7):
            for country in COUNTRIES:
                order(to, n, country, 1)
        to.flush()
        command = [recon.BIN / "streamctl", "run", file, "--live", "--output-format", "json", "--quiet"]
        environment = recon.environment(KAFKA_BROKERS=brokers)
        done = subprocess.run([*command, "--until-end"], env=environment, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise SystemExit(f"FAILED: exit {done.returncode}\n{done.stderr}")
        names = {1: "old 1", 2: None, 3: "old 3", 4: "new 4", 5: "new 5", 6: "old 6"}
        expected = {f"1-{c}-{n}": (names[n], None if (c, n) == ("FR", 3) else f"{n}.5000") for n in names for c in COUNTRIES}
        found = results(brokers)
        for key in sorted(expected.keys() | found.keys()):
            if expected.get(key) != found.get(key):
                print("FAILED:", key, found.get(key), "instead of", expected.get(key))
                failed += 1
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        live.send(to, "names", "[1]", None)
        live.send(to, "rates", '["DE",1]', json.dumps({"country": "DE", "number": 1, "rate": "7.2500"}))
        to.flush()
        failed += wait_for(brokers, "2-DE-1", (None, "7.2500"), to, 1, "DE", 2)
        process.terminate()
        live.finish(process)
    print("FAILED" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
