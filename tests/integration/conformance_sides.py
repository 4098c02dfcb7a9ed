"""The two sides of it_conformance.py: cases run by Kafka Streams' TopologyTestDriver and by our test driver, each all in one process.

A case is a dict: "kind" (stream_stream, aggregate, stream_table, table_table), its parameters in milliseconds, and "rows", in
the order of arrival: [source "l" or "r", key, milliseconds, value]. A row's value is its index, so results name their rows.
"""

import datetime
import json
import pathlib
import shutil
import subprocess

import recon

JARS = recon.SOURCE / ".tools/kafka-streams"  # tools/install.sh puts them there
HERE = pathlib.Path(__file__).parent / "conformance"
EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
EPOCH_MS = int(EPOCH.timestamp() * 1000)
# a short-lived process: no optimising compiler
JAVA_OPTIONS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")


def find():
    return shutil.which("javac") and (JARS / "complete").exists()


# ---- Kafka Streams ----

def kafka_streams(cases, folder):
    """For each case [(index of the row that caused it, key, value, ms)], in order; what a case of kind "restart" says as it is."""
    lines = "".join(json.dumps({"store": "memory", **case, "rows": [[s, k, EPOCH_MS + ms if s != "clock" else ms, v]
                                                                    for s, k, ms, v in case.get("rows", [])]}) + "\n" for case in cases)
    done = subprocess.run(["java", *JAVA_OPTIONS, "-cp", f"{JARS}/*", HERE / "KafkaStreamsSide.java", folder], input=lines,
                          capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"FAILED: Kafka Streams' side\n{done.stderr[-4000:]}")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return [answer if case["kind"] == "restart" else [(i, key, value, ms - EPOCH_MS) for i, key, value, ms in answer]
            for case, answer in zip(cases, answers, strict=True)]


# ---- ours ----

SCHEMA = """
libstream: 1
name: conformance
schemas:
  row:
    key: k
    time: t
    fields: { k: string, t: timestamp, i: int64 }
"""
STREAM = "  {0}: {{ schema: row, replay: {{ files: \"{0}/*.jsonl\", format: json }} }}\n"
TABLE = "  {0}: {{ schema: row, store: {0}, replay: {{ files: \"{0}/*.jsonl\", format: json }} }}\n"
PAIR = "  o: { from: j, select: { k: k, l: i, r: r.i, at: event_time(), now: stream_time() } }\n"
VERBS = {"inner": "join", "left": "left_join", "outer": "outer_join"}


def sinks(**froms):
    return "sinks:\n" + "".join(f"  {name}: {{ from: {step}, lake: {{ path: {name}, format: jsonl }} }}\n" for name, step in froms.items())


def topology(case):
    """The YAML of a case, and its sinks."""
    kind = case["kind"]
    if kind == "stream_stream":
        window = f"before: {case['before']}ms, after: {case['after']}ms, grace: {case['grace']}ms"
        return SCHEMA + "sources:\n" + STREAM.format("l") + STREAM.format("r") + "steps:\n" + (
            f"  j: {{ from: l, {VERBS[case['type']]}: {{ with: r, {window}, emit: final, store: j }} }}\n" + PAIR +
            sinks(out="o", late_left="j.late_left", late_right="j.late")), ("out", "late_left", "late_right")
    if kind == "aggregate":
        emit = "changes" if case["emit"] == "changes" else "final"
        return SCHEMA + "sources:\n" + STREAM.format("l") + "steps:\n" + (
            f"  g: {{ from: l, aggregate: {{ window: {{ tumbling: {case['size']}ms, grace: {case['grace']}ms }}, emit: {emit}, store: g,"
            " values: { n: count(*), total: sum(i), newest: last(i) } } }\n"
            "  o: { from: g, select: { k: k, start: window_start, n: n, total: total, newest: newest, at: event_time(), now: stream_time() } }\n" +
            sinks(out="o", late_left="g.late")), ("out", "late_left")
    if kind == "stream_table":
        return SCHEMA + "sources:\n" + STREAM.format("l") + "tables:\n" + TABLE.format("r") + "steps:\n" + (
            f"  j: {{ from: l, {VERBS[case['type']]}: {{ with: r }} }}\n" + PAIR + sinks(out="o")), ("out",)
    return SCHEMA + "tables:\n" + TABLE.format("l") + TABLE.format("r") + "steps:\n" + (
        f"  j: {{ from: l, {VERBS[case['type']]}: {{ with: r, emit: changes }} }}\n" + PAIR + sinks(out="o")), ("out",)


def instant(ms):
    return (EPOCH + datetime.timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ms_of(text):
    """Rounded up: timers fire a microsecond after the last instant that was open."""
    us = (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH) // datetime.timedelta(microseconds=1)
    return -(-us // 1000)


def script(case):
    yaml, names = topology(case)
    rows = "".join(f"row {source} " + json.dumps({"k": key, "t": instant(ms), "i": value and int(value)}) + "\n"
                   for source, key, ms, value in case["rows"] if source != "clock")
    return f"topology {case.get('slice_rows', 1)} {len(yaml)}\n{yaml}{rows}run {' '.join(names)}\n"


def answer_of(stream):
    """Texts by name, until the dead letters."""
    texts, name = {}, None
    while name != "letters":
        name, size = stream.readline().split()
        texts[name] = stream.read(int(size))
    return texts


def libstream(cases):
    """For each case what its sinks have: lists of dicts by name, and "letters", a list of texts."""
    program = subprocess.Popen([recon.BUILD / "tests/it_conformance_checks"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    answers = []
    for case in cases:
        program.stdin.write(script(case))
        program.stdin.flush()
        texts = answer_of(program.stdout)
        answers.append({name: text.splitlines() if name == "letters" else [json.loads(line) for line in text.splitlines()]
                        for name, text in texts.items()})
    program.stdin.close()
    if program.wait(60) != 0:
        raise SystemExit("FAILED: our side")
    return answers


def libstream_restart(folder):
    """Rows of one key and time in a window buffer that was opened again between them."""
    done = subprocess.run([recon.BUILD / "tests/it_conformance_checks"], input=f"restart {folder}\n", capture_output=True, text=True, check=True)
    return int(done.stdout.split()[1])
