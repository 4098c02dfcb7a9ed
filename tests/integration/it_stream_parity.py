#!/usr/bin/env python3
"""streamctl parity on a real broker: both shipped topologies run live over input that is out of order and partly broken, and their
topics equal a replay's, key by key and in order, dead letters too. A topic that somebody has changed is told, with its key."""

import json
import pathlib
import sys
import tempfile
import time

import it_stream_recon
import kafka_server
import live
import recon

N_PARTITIONS = 4
EQUAL, DIFFERENT = 0, 8


def parity(brokers, config, *options):
    """(exit code, summary) of a check."""
    done = recon.run(recon.BIN / "streamctl", "parity", recon.SOURCE / f"configs/{config}.yaml", "--output-format", "json", "--quiet", *options,
                     check=False, env=recon.environment(KAFKA_BROKERS=brokers), timeout=300)
    if done.returncode not in (EQUAL, DIFFERENT):
        raise SystemExit(f"FAILED: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def check_equal(what, code, summary, n_outputs):
    """Whether all is equal, and there was something to be equal."""
    outputs = {output["topic"]: output for output in summary["outputs"]}
    good = code == EQUAL and summary["equal"] and len(outputs) == n_outputs and summary["records"] > 0
    for output in outputs.values():
        print(f"{what}: {output['topic']}: equal {output['equal']}, {output['live']} live, {output['replayed']} replayed, {output['keys']} keys, "
              f"{output['compacted_away']} compacted away, last only: {output['last_row_only']}")
        good = good and output["equal"] and output["digest_live"] == output["digest_replayed"]
    for difference in summary["differences"]:
        print("  ", difference)
    return good, outputs


def rows_of(brokers, topic):
    """(partition, key, value, timestamp, headers) of a topic's committed records in order."""
    return [(partition, key, value) for partition, _, key, value, _ in live.committed(brokers, topic)]


def changed_versions(records):
    """What -> the records with one thing wrong, the key it is wrong for, the kind it is told as, the column."""
    by_key = {}
    for i, (_, key, _) in enumerate(records):
        by_key.setdefault(key, []).append(i)
    key, places = next((key, places) for key, places in by_key.items() if len(places) > 2)
    first, second = places[0], places[1]
    row = json.loads(records[second][2])
    wrong = {**row, "amount": "0.0100" if row["amount"] != "0.0100" else "0.0200"}
    encoded = json.dumps(wrong, separators=(",", ":")).encode()

    def replaced(at, value):
        return [(*record[:2], value) if i == at else record for i, record in enumerate(records)]

    swapped = replaced(first, records[second][2])
    swapped[second] = records[first]
    new = b"no-such-transaction"
    return key.decode(), {
        "value": (replaced(second, encoded), key, "value", "amount"),
        "missing": ([record for i, record in enumerate(records) if i != second], key, "missing", None),
        "twice": (records[:second + 1] + [records[second]] + records[second + 1:], key, "twice", None),
        "order": (swapped, key, "order", None),
        "extra": (records + [(0, new, encoded)], new, "extra", None),
    }


def check_changed(brokers, options):
    """Each wrong topic is told, and nothing else about it."""
    failed = 0
    records = rows_of(brokers, "streaming_index")
    _, versions = changed_versions(records)
    for what, (changed, key, kind, column) in versions.items():
        topic = f"changed-{what}"
        live.make_topics(brokers, [topic], N_PARTITIONS)
        to = live.producer(brokers)
        for partition, name, value in changed:
            live.send(to, topic, name, value, partition=partition)
        to.flush()
        code, summary = parity(brokers, "streaming_index", *options, "--set", f"output_topic={topic}")
        found = summary["differences"]
        print(what, code, found)
        output = next(output for output in summary["outputs"] if output["topic"] == topic)
        good = (code == DIFFERENT and not summary["equal"] and len(found) == 1 and found[0]["kind"] == kind and found[0]["key"] == key.decode()
                and found[0]["column"] == column and output[f"keys_{kind}"] == 1 and output["digest_live"] != output["digest_replayed"])
        good = good and all(other["equal"] for other in summary["outputs"] if other is not output)
        if what == "value":
            good = good and {found[0]["live"], found[0]["replayed"]} == {'"%s"' % json.loads(c)["amount"] for c in (
                next(r[2] for r in changed if r not in records), next(r[2] for r in records if r not in changed))}
        failed += not good
        if not good:
            print(f"FAILED: {what}: {summary}")
    return failed


def check_compacted(brokers, options):
    """On a compacted topic older rows of a key may be gone, and are counted; the newest may not, nor may any be changed."""
    records = rows_of(brokers, "streaming_index")
    key, versions = changed_versions(records)
    last = max(i for i, record in enumerate(records) if record[1] == key.encode())
    cases = {"older-gone": (versions["missing"][0], EQUAL, None), "last-gone": (records[:last] + records[last + 1:], DIFFERENT, "missing"),
             "other-value": (versions["value"][0], DIFFERENT, "extra")}
    failed = 0
    for what, (changed, wanted, kind) in cases.items():
        topic = f"compacted-{what}"
        live.make_topics(brokers, [topic], N_PARTITIONS, config={"cleanup.policy": "compact"})
        to = live.producer(brokers)
        for partition, name, value in changed:
            live.send(to, topic, name, value, partition=partition)
        to.flush()
        code, summary = parity(brokers, "streaming_index", *options, "--set", f"output_topic={topic}")
        output = next(output for output in summary["outputs"] if output["topic"] == topic)
        good = code == wanted and (output["compacted_away"] == 1 if kind is None else output[f"keys_{kind}"] == 1 and len(summary["differences"]) == 1)
        print(f"compacted, {what}: exit {code}, {output['compacted_away']} compacted away, {[(d['kind'], d['key']) for d in summary['differences']]}")
        failed += not good
    return failed


def check_lake(folder, brokers):
    """What --keep leaves: of each partition the records as they are, one a line."""
    kept = sorted(line for path in folder.glob("transactions/*.jsonl") for line in path.read_bytes().split(b"\n")[:-1])
    there = sorted(record[3] for record in live.committed(brokers, "transactions_topic"))
    print(f"kept {len(kept)} records")
    return kept == there


def run_index(brokers, scratch, options):
    """Live with a restart, over records as they stand in the files: late, out of order, some twice, some broken."""
    lake = pathlib.Path(scratch, "lake")
    recon.make_lake(lake, 6000, 3, 5)
    live.make_topics(brokers, live.INPUTS, N_PARTITIONS)
    print("fed", live.feed(brokers, lake, ordered=False))
    process = live.start(brokers, pathlib.Path(scratch, "state"), *options)
    until = time.monotonic() + 60
    while not any(at > 100 for at, _ in live.progress(brokers, "parity-index", ["transactions_topic"]).values()) and time.monotonic() < until:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    return lake, live.start(brokers, pathlib.Path(scratch, "state"), *options)


def await_all_read(brokers, group, topics):
    """Until the group has committed what is there. An offset may lie before the end where a transaction's marker is last."""
    until, before = time.monotonic() + 120, None
    while time.monotonic() < until:
        now = live.progress(brokers, group, topics)
        if now == before and all(end - at <= 1 for at, end in now.values()):
            return
        before = now
        time.sleep(1)
    raise SystemExit(f"FAILED: not all is read: {now}")


def check_refusals(brokers):
    """Nothing committed, another version of a topic: an error that says so, no comparison."""
    done = recon.run(recon.BIN / "streamctl", "parity", recon.SOURCE / "configs/streaming_index.yaml", "--set", "application_id=never-ran", "--quiet",
                     check=False, env=recon.environment(KAFKA_BROKERS=brokers), timeout=120)
    print("never ran:", done.returncode, done.stderr.strip())
    return done.returncode == 3 and "never-ran" in done.stderr


def run_recon(brokers, scratch, lake, options):
    """The reconciliation of the last day, live over the Streaming Index as it stands on its topic, and the statements."""
    date = recon.dates(3)[-1]
    options = (*options, "--set", f"run_date={date}", "--set", f"as_of={recon.as_of(date)}", "--set", "max_bad=50%")
    live.make_topics(brokers, ["statements_topic"], N_PARTITIONS)
    to = live.producer(brokers)
    for path in sorted(pathlib.Path(lake, "raw/statements").rglob("*.csv")):
        for row in it_stream_recon.statements(path):
            row = {name: value for name, value in row.items() if value != ""}
            live.send(to, "statements_topic", row.get("statement_id"), json.dumps(row))
    to.flush()
    command = [recon.BIN / "streamctl", "run", recon.SOURCE / "configs/batch_recon.yaml", "--live", "--until-end", "--output-format", "json", "--quiet", *options]
    recon.run(*command, env=recon.environment(KAFKA_BROKERS=brokers), timeout=180)
    return options


def main():
    kafka_server.need()
    failed = 0
    with tempfile.TemporaryDirectory() as scratch, kafka_server.running() as cluster:
        brokers = cluster.bootstrap
        index = ("--set", "application_id=parity-index", "--set", "backend=rocksdb")
        live.make_topics(brokers, ["streaming_index"], N_PARTITIONS)  # not compacted: every version is compared
        lake, running = run_index(brokers, scratch, index)
        await_all_read(brokers, "parity-index", ["transactions_topic", "fraud_signals_topic"])
        code, summary = parity(brokers, "streaming_index", *index, "--keep", pathlib.Path(scratch, "kept"))  # while it runs
        running.terminate()
        print("index", {k: v for k, v in live.finish(running).items() if k != "steps"})
        good, outputs = check_equal("streaming_index", code, summary, 4)
        letters = outputs["transactions_topic.dlq"]
        failed += not good or letters["live"] == 0 or letters["reasons_live"] != letters["reasons_replayed"] or outputs["late_signals"]["live"] == 0
        failed += not check_lake(pathlib.Path(scratch, "kept"), brokers)
        failed += check_changed(brokers, index) + check_compacted(brokers, index)
        failed += not check_refusals(brokers)
        options = run_recon(brokers, scratch, lake, ("--set", "application_id=parity-recon"))
        code, summary = parity(brokers, "batch_recon", *options)
        good, outputs = check_equal("batch_recon", code, summary, 5)
        failed += not good or any(outputs[topic]["live"] == 0 for topic in it_stream_recon.TOPICS)
    print("FAILED" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
