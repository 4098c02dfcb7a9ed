#!/usr/bin/env python3
"""The applications as an operator meets them: every exit code provoked for real, options, dates, dry runs, signals, summaries,
and what streamctl shows. Functions named check_* are the cases; each gets a lake that was indexed."""

import decimal
import gzip
import json
import os
import pathlib
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import recon

KEY = "test-key-0123456789abcdef"
DAYS = recon.dates(3)
INDEX = recon.SOURCE / "configs/streaming_index.yaml"
BATCH = recon.SOURCE / "configs/batch_recon.yaml"
PARAMETERS = ("--set", "run_date=2026-03-02", "--set", "as_of=2026-03-03T06:00:00Z")


def env(**extra):
    return {**os.environ, "RECON_MASK_KEY": KEY, **extra}


def call(program, *options, environment=None, **more):
    return subprocess.run([str(recon.BIN / program), *map(str, options)], env=environment or env(), capture_output=True, text=True,
                          timeout=300, **more)


def expect(done, code, *texts):
    """Exit code, and every text somewhere on stderr."""
    said = f"exit {done.returncode}, expected {code}\nstdout: {done.stdout[-1500:]}\nstderr: {done.stderr[-1500:]}"
    assert done.returncode == code, said
    for text in texts:
        assert text in done.stderr, f"no {text!r} on stderr\n{said}"
    return done


def tree(lake):
    return {str(path.relative_to(lake)): path.stat().st_mtime_ns for path in pathlib.Path(lake).rglob("*")}


def fresh(lake, scratch, name):
    copy = pathlib.Path(scratch, name)
    shutil.copytree(lake, copy)
    return copy


# ---- options ----

def check_help_and_version(lake, scratch):
    for program in ("streaming_index", "batch_recon", "streamctl"):
        text = expect(call(program, "--help"), 0).stdout
        assert text.startswith(f"usage: {program}") and "Exit codes:" in text and "(null)" not in text, text
        assert expect(call(program, "--version"), 0).stdout.startswith(f"{program} 0.1.0")
    for command in ("validate", "describe", "plan", "run", "udf list", "schema", "reference", "expressions", "faults"):
        text = expect(call("streamctl", *command.split(), "--help"), 0).stdout
        assert text.startswith(f"usage: streamctl {command}") and "(null)" not in text, text
    for option in ("config", "lake", "date", "threads", "batch-rows", "as-of", "set", "plugins", "work-dir", "dry-run",
                   "output-format", "quiet", "help", "version"):
        assert f"  --{option}" in call("batch_recon", "--help").stdout, option
    widest = max(map(len, call("batch_recon", "--help").stdout.splitlines()))
    assert widest <= 100, widest


def check_usage_errors(lake, scratch):
    for options, text in [
            (("--lak", lake), "unknown option --lak; did you mean --lake?"),
            (("--thread=2",), "did you mean --threads?"),
            (("--nonsense-of-mine",), "unknown option --nonsense-of-mine"),
            (("-x",), "options begin with --"),
            (("--date", DAYS[0]), "--lake ROOT is missing"),
            (("--lake", lake), "--date DATE is missing"),
            (("--lake",), "--lake wants ROOT after it"),
            (("--lake", ""), "--lake is empty"),
            (("--lake", lake, "--date", DAYS[0], "extra"), "'extra' is one argument too many"),
            (("--lake", lake, "--date", DAYS[0], "--threads", "0"), "--threads wants a whole number from 1 to 256, not '0'"),
            (("--lake", lake, "--date", DAYS[0], "--threads", "2x"), "not '2x'"),
            (("--lake", lake, "--date", DAYS[0], "--batch-rows", "99999999999999999999"), "--batch-rows wants a whole number"),
            (("--lake", lake, "--date", DAYS[0], "--set", "lookback"), "--set wants NAME=VALUE"),
            (("--lake", lake, "--date", DAYS[0], "--set", "run_date=2026-03-01"), "--date sets it"),
            (("--lake", lake, "--date", DAYS[0], "--output-format", "xml"), "--output-format wants text|json, not 'xml'"),
            (("--lake", lake, "--date", DAYS[0], "--dry-run=yes"), "--dry-run takes no value"),
    ]:
        done = expect(call("batch_recon", *options), 2, text, "batch_recon --help")
        assert done.stdout == "", done.stdout


def check_dates(lake, scratch):
    for date in ("2026-02-30", "2026-3-1", "20260301", "yesterday", "2026-03-01..", "..2026-03-01", "2026-03-01...2026-03-02", ""):
        expect(call("batch_recon", "--lake", lake, "--date", date), 2)
    expect(call("batch_recon", "--lake", lake, "--date", "2026-03-02..2026-03-01"), 2, "the first date is after the last")
    done = expect(call("batch_recon", f"--lake={lake}", "--date=latest", "--dry-run", "--output-format=json"), 0)
    assert json.loads(done.stdout)["run_date"] == DAYS[-1], done.stdout
    done = expect(call("batch_recon", "--lake", lake, "--date", f"{DAYS[0]}..{DAYS[2]}", "--dry-run", "--output-format", "json"), 0)
    assert [json.loads(line)["run_date"] for line in done.stdout.splitlines()] == DAYS, done.stdout
    done = expect(call("streaming_index", "--lake", lake, "--date", f"{DAYS[0]}..{DAYS[1]}", "--dry-run", "--output-format", "json"), 0)
    summary = json.loads(done.stdout)
    assert (summary["date_from"], summary["run_date"]) == (DAYS[0], DAYS[1]), summary
    done = expect(call("streaming_index", "--lake", lake, "--date", "latest", "--dry-run", "--output-format", "json"), 0)
    assert json.loads(done.stdout)["date_from"] == DAYS[-1], done.stdout
    done = expect(call("streaming_index", "--lake", lake, "--dry-run", "--output-format", "json"), 0)
    assert "run_date" not in json.loads(done.stdout), done.stdout


def check_latest_is_whole(lake, scratch):
    """The newest date that every dated source has; a source that lacks a newer one is named."""
    def latest(copy, program="batch_recon", *options):
        return call(program, "--lake", copy, "--date", "latest", "--dry-run", "--output-format", "json", *options)

    copy = fresh(lake, scratch, "latest")
    assert expect(latest(copy), 0).stderr == ""
    shutil.rmtree(copy / f"raw/statements/dt={DAYS[2]}")
    done = expect(latest(copy), 0, f"--date latest is {DAYS[1]}: {DAYS[2]} lacks statements")
    assert json.loads(done.stdout)["run_date"] == DAYS[1], done.stdout
    assert expect(latest(copy, "batch_recon", "--quiet"), 0).stderr == ""
    shutil.rmtree(copy / f"curated/streaming_index/dt={DAYS[1]}")
    done = expect(latest(copy), 0, f"--date latest is {DAYS[0]}: {DAYS[2]} lacks statements")
    shutil.rmtree(copy / f"curated/streaming_index/dt={DAYS[0]}")
    done = expect(latest(copy), 3, f"no date has input of all sources; {DAYS[2]} lacks statements")
    assert done.stdout == "", done.stdout
    shutil.rmtree(copy / "raw/fraud_signals")
    expect(latest(copy, "streaming_index"), 3, f"{DAYS[2]} lacks fraud_signals")
    shutil.rmtree(copy / "raw/transactions")
    expect(latest(copy, "streaming_index"), 3, "no input of any date")


def check_dry_run_writes_nothing(lake, scratch):
    before = tree(lake)
    work = pathlib.Path(scratch, "dry_work")
    work.mkdir()
    done = expect(call("streaming_index", "--lake", lake, "--dry-run", "--work-dir", work), 0)
    assert "dry run, nothing was written" in done.stdout and "writes" in done.stdout, done.stdout
    expect(call("batch_recon", "--lake", lake, "--date", "latest", "--dry-run", "--work-dir", work), 0)
    assert tree(lake) == before and list(work.iterdir()) == []


def check_config_is_found(lake, scratch):
    """Without --config the topology beside the build is used, from whatever directory; a wrong one is a usage error."""
    done = expect(call("batch_recon", "--lake", lake, "--date", "latest", "--dry-run", cwd="/"), 0)
    assert str(BATCH.resolve()) in done.stdout, done.stdout
    expect(call("batch_recon", "--lake", lake, "--date", "latest", "--config", "/no/such.yaml"), 2, "/no/such.yaml")


# ---- exit codes ----

def check_done(lake, scratch):
    copy = fresh(lake, scratch, "done")
    done = expect(call("batch_recon", "--lake", copy, "--date", DAYS[1], "--threads", 2), 0)
    for text in ("batch-recon 2026-03-02: done", "bad ", "late ", "adds up   yes", "batch_index", "records/s", "at the peak",
                 f"{copy}/final/merchant_kpis/month=2026-03/day=2026-03-02/part-00000.parquet"):
        assert text in done.stdout, f"no {text!r}\n{done.stdout}"
    assert done.stderr == "", done.stderr
    assert (copy / "final/aggregate_index/month=2026-03/day=2026-03-02/_SUCCESS").exists()


def check_usage_of_topologies(lake, scratch):
    broken = pathlib.Path(scratch, "broken.yaml")
    broken.write_text(INDEX.read_text().replace("from: current\n", "from: curent\n").replace("max: 1 }", "mx: 1 }"))
    done = expect(call("streaming_index", "--lake", lake, "--config", broken), 2)
    places = re.findall(rf"^{re.escape(str(broken))}:(\d+):(\d+): error: ", done.stderr, re.M)
    assert len(places) >= 2 and places == sorted(places, key=lambda at: (int(at[0]), int(at[1]))), done.stderr
    expect(call("batch_recon", "--lake", lake, "--date", "latest", "--set", "lookbak=2d"), 2, "did you mean lookback")
    expect(call("batch_recon", "--lake", lake, "--date", "latest", "--set", "tolerance=-0.01"), 2, "'-0.01' (--set) is not allowed; give at least 0")
    expect(call("batch_recon", "--lake", lake, "--date", "latest", "--set", "backend=disk"), 2, "give one of memory, rocksdb")
    expect(call("streaming_index", "--lake", lake, "--set", "limit_usd=-1"), 2, "give at least 0")
    expect(call("streaming_index", "--lake", lake, "--set", "aml_score=1.5"), 2, "give at least 0 and at most 1")
    expect(call("batch_recon", "--lake", lake, "--date", "latest", "--as-of", "yesterday"), 2, "yesterday")
    expect(call("streaming_index", "--lake", lake, "--as-of", "yesterday"), 2, "yesterday")
    expect(call("streaming_index", "--lake", "ftp://host/lake"), 2, "ftp")
    no_key = {name: value for name, value in env().items() if not name.startswith("RECON_MASK_KEY")}
    expect(call("streaming_index", "--lake", lake, environment=no_key), 2, "RECON_MASK_KEY")


def check_plugins_are_found(lake, scratch):
    plugins = pathlib.Path(scratch, "plugins")
    plugins.mkdir()
    (plugins / "recon.so").write_text("not a plugin")
    expect(call("streaming_index", "--lake", lake, "--dry-run", "--plugins", plugins), 2, "not a shared object")
    expect(call("streaming_index", "--lake", lake, "--dry-run", environment=env(LIBSTREAM_PLUGIN_PATH=str(plugins))), 2, str(plugins))
    real = recon.BUILD / "lib/libstream/udf"
    expect(call("streaming_index", "--lake", lake, "--dry-run", "--plugins", real, "--plugins", plugins), 0)


def check_a_function_that_fails(lake, scratch):
    """A plugin that can't be used is configuration; one that fails as a whole while it runs is not."""
    inputs = pathlib.Path(scratch, "numbers")
    (inputs / "in").mkdir(parents=True)
    (inputs / "in/1.jsonl").write_text('{"id":1}\n{"id":2}\n')
    topology = inputs / "t.yaml"
    for function, code, why in [("refuse_batch", 1, "refuse_batch: not today"), ("no_reason", 1, "no_reason: it gives no reason"),
                                ("try_later", 5, "try_later: the table is being read"), ("undecided_", 2, "unknown function")]:
        topology.write_text("libstream: 1\nname: t\nplugins: [failing_rows]\nschemas: { n: { key: id, fields: { id: int64 } } }\n"
                            "sources: { s: { schema: n, replay: { files: 'in/*.jsonl' } } }\n"
                            f"steps: {{ o: {{ from: s, select: {{ id: id, v: {function}(id) }} }} }}\n"
                            "sinks: { o: { from: o, lake: { path: out, format: jsonl } } }\n")
        expect(call("streamctl", "run", topology, "--lake", inputs, "--plugins", recon.BUILD / "tests/plugins"), code, why)
        assert not (inputs / "out").exists(), function


def check_no_input(lake, scratch):
    expect(call("batch_recon", "--lake", lake, "--date", "2026-03-09"), 3, "2026-03-09")
    expect(call("batch_recon", "--lake", f"{scratch}/nowhere", "--date", DAYS[0]), 3, f"{scratch}/nowhere")
    expect(call("batch_recon", "--lake", f"{scratch}/nowhere", "--date", "latest"), 3, "no input of any date")
    copy = fresh(lake, scratch, "no_statements")
    shutil.rmtree(copy / "raw/statements" / f"dt={DAYS[2]}")
    done = expect(call("batch_recon", "--lake", copy, "--date", f"{DAYS[1]}..2026-03-05", "--output-format", "json"), 3, DAYS[2],
                  "not run: 2026-03-04..2026-03-05")
    states = [(line["run_date"], line["status"]) for line in map(json.loads, done.stdout.splitlines())]
    assert states == [(DAYS[1], "done"), (DAYS[2], "failed")], states
    assert (copy / f"curated/batch_index/month=2026-03/day={DAYS[1]}/part-00000.parquet").exists()
    assert not (copy / f"curated/batch_index/month=2026-03/day={DAYS[2]}").exists()


def check_bad_records(lake, scratch):
    before = tree(lake)
    for limit in ("0.001%", "3"):
        done = expect(call("streaming_index", "--lake", lake, "--set", f"max_bad={limit}"), 4, "max_bad_records")
        assert "FAILED" in done.stdout and "bad " in done.stdout, done.stdout
    assert tree(lake) == before
    copy = fresh(lake, scratch, "broken_file")
    (copy / f"curated/streaming_index/dt={DAYS[1]}/part-00000.parquet").write_bytes(b"no Parquet")
    expect(call("batch_recon", "--lake", copy, "--date", DAYS[2]), 4, f"dt={DAYS[1]}/part-00000.parquet")


def check_statement_header(lake, scratch):
    """A statement file whose header can't be used ends the run: nothing of it could be told, and nothing is published."""
    copy = fresh(lake, scratch, "header")
    path = sorted((copy / f"raw/statements/dt={DAYS[1]}").glob("*.csv"))[0]
    text = path.read_text()
    header, rest = text.split("\n", 1)
    before = tree(copy).keys()
    for broken, why in [
            (header.replace("amount_posted", "amount").encode() + b"\n" + rest.encode(), "no column 'amount_posted'"),
            (header.upper().encode() + b"\n" + rest.encode(), "upper and lower case"),
            (text.replace(",", ";").encode(), "separated by ',', not ';'"),
            (rest.encode(), "no column 'statement_id'"),
            ((header + ",statement_id\n").encode() + rest.encode(), "'statement_id' twice"),
            (text.encode("utf-16"), "UTF-16"),
            (b"", "the file is empty")]:
        path.write_bytes(broken)
        expect(call("batch_recon", "--lake", copy, "--date", DAYS[1]), 4, f"{path}:1: ", why,
               "expected a first line in UTF-8 with the columns statement_id,transaction_id,posting_date,amount_posted, and perhaps fee_charged")
        assert tree(copy).keys() == before, why


def check_stale_partitions(lake, scratch):
    """Rows that the input no longer has leave no partition behind, dated or not; partitions of other dates stay."""
    rows = pathlib.Path("raw/transactions")
    for options in ((), ("--date", DAYS[2])):
        copy = fresh(lake, scratch, f"stale{len(options)}")
        table = copy / "curated/streaming_index"
        older = table / "dt=2025-12-24/part-00000.parquet"  # its input is no longer kept
        older.parent.mkdir()
        shutil.copy(table / f"dt={DAYS[0]}/part-00000.parquet", older)
        assert (table / f"dt={DAYS[2]}/part-00000.parquet").exists()
        for path in (copy / rows).glob("*/*"):
            path.unlink()
        for day in DAYS:
            (copy / rows / f"dt={day}/part-00000.jsonl").write_text("")
        expect(call("streaming_index", "--lake", copy, *options), 0)
        left = sorted(path.parent.name for path in table.glob("*/*.parquet"))
        assert left == ["dt=2025-12-24", *([] if not options else [f"dt={day}" for day in DAYS[:2]])], left


def check_bad_records_of_other_dates(lake, scratch):
    """What is bad in the history is another run's to limit and to tell; the day itself is held to max_bad."""
    copy = fresh(lake, scratch, "bad_history")
    for path in (copy / f"raw/transactions/dt={DAYS[0]}").glob("*"):
        path.unlink()
    (copy / f"raw/transactions/dt={DAYS[0]}/part-00000.jsonl").write_text("not JSON\n" * 2000)
    letters = copy / f"dlq/transactions/dt={DAYS[0]}/part-00000.jsonl"
    before = letters.read_bytes()
    done = expect(call("streaming_index", "--lake", copy, "--date", DAYS[2], "--output-format", "json"), 0)
    summary = json.loads(done.stdout)
    assert summary["bad_records_of_other_dates"]["transactions"] >= 2000, summary
    assert summary["bad_records"]["transactions"] < 200 and letters.read_bytes() == before, summary["bad_records"]
    expect(call("streaming_index", "--lake", copy, "--date", DAYS[2], "--set", "max_bad=200"), 0)
    expect(call("streaming_index", "--lake", copy, "--date", DAYS[0]), 4, "max_bad_records")
    expect(call("streaming_index", "--lake", copy, "--date", DAYS[0], "--set", "max_bad=200"), 4, "max_bad_records")
    expect(call("streaming_index", "--lake", copy, "--date", DAYS[2], "--set", "history=7d"), 4, "max_bad_records")
    expect(call("streaming_index", "--lake", copy, "--date", DAYS[2], "--set", "history=soon"), 2, "or forever")


def check_other_files(lake, scratch):
    """Copies, uploads that are not done and the like are no input."""
    copy = fresh(lake, scratch, "other_files")
    before = transactions(copy)
    path = sorted((copy / f"raw/transactions/dt={DAYS[0]}").glob("*.jsonl"))[0]
    for suffix in (".bak", ".filepart", ".gz.tmp", ".gz.filepart", "~"):
        path.with_name(f"more.jsonl{suffix}").write_bytes(b"no record\n")
    shutil.copy(path, path.with_name("more.json"))
    assert transactions(copy) == before


def check_lost_value(lake, scratch):
    """A topology that loses value between the two sides of its balance ends before it publishes, and says where."""
    copy = fresh(lake, scratch, "value")
    losing = pathlib.Path(scratch, "losing.yaml")
    losing.write_text(BATCH.read_text().replace("  final_rows:\n    from: reconciled\n",
                                                "  big: { from: reconciled, filter: amount > 50 }\n\n  final_rows:\n    from: big\n"))
    before = tree(copy).keys()
    done = expect(call("batch_recon", "--lake", copy, "--date", DAYS[1], "--config", losing), 1, "value is lost or doubled: amount of ")
    assert "nothing was published" in done.stderr and tree(copy).keys() == before, done.stderr
    done = expect(call("batch_recon", "--lake", copy, "--date", DAYS[1]), 0)
    values = re.findall(r"^(?:  value|       )\s+([A-Z]{3})\s+(\S+) in = (.*)$", done.stdout, re.M)
    assert len(values) >= 3, done.stdout
    for currency, came, parts in values:
        went = sum(decimal.Decimal(part.split()[0]) for part in parts.split(" + "))
        assert went == decimal.Decimal(came), (currency, came, parts)


def transactions(lake):
    summary = json.loads(expect(call("streaming_index", "--lake", lake, "--output-format", "json", "--quiet"), 0).stdout)
    assert summary["conservation"] is True, summary
    return summary["rows_in"]["transactions"], summary["bad_records"]["transactions"]


def check_cut_file(lake, scratch):
    """A compressed file that is cut or corrupt costs its own rest: what stands before counts, one dead letter tells the line."""
    import pyarrow
    copy = fresh(lake, scratch, "cut")
    whole, bad = transactions(copy)
    plain = sorted((copy / f"raw/transactions/dt={DAYS[0]}").glob("*"))[0]
    text = plain.read_bytes()
    if plain.suffix in (".gz", ".zst"):
        text = pyarrow.input_stream(str(plain), compression="detect").read()
    plain.unlink()
    lines = text.splitlines(keepends=True)
    for suffix, packed in ((".gz", gzip.compress(text)), (".zst", pyarrow.compress(text, codec="zstd", asbytes=True))):
        for what, damaged in (("truncated", packed[:len(packed) // 2]), ("corrupt", packed[:len(packed) // 2] + b"\xff" * 64)):
            damaged_file = plain.with_name(f"part-damaged.jsonl{suffix}")
            damaged_file.write_bytes(damaged)
            n_rows, n_bad = transactions(copy)
            letters = [json.loads(line) for path in (copy / f"dlq/transactions/dt={DAYS[0]}").glob("*")
                       for line in path.read_text().splitlines()]
            letter, = [letter for letter in letters if letter["reason"] == "damaged_file"]
            assert letter["file"] == str(damaged_file.relative_to(copy)) and "payload" not in letter, letter
            assert re.match("the compressed data is (truncated|corrupt)", letter["error"]), (what, letter)
            n_lost = len(lines) - (letter["line"] - 1)
            assert 0 <= n_lost < len(lines) or suffix == ".zst", letter  # a small file is one block of zstd: all or nothing
            assert n_rows == whole - n_lost + 1, (n_rows, whole, letter)  # the letter is a record, too
            assert n_bad <= bad + 1, (n_bad, bad)
            damaged_file.unlink()


def check_transient(lake, scratch):
    """A lake that can't be written, and no room for the work directory."""
    copy = fresh(lake, scratch, "in_the_way")
    shutil.rmtree(copy / "curated")
    (copy / "curated").write_text("a file where a directory has to be")
    expect(call("streaming_index", "--lake", copy), 5, "curated")
    expect(call("streaming_index", "--lake", lake, "--work-dir", "/proc/nowhere"), 5, "/proc/nowhere")


def check_full_stdout(lake, scratch):
    with open("/dev/full", "w") as full:
        done = subprocess.run([recon.BIN / "batch_recon", "--lake", lake, "--date", "latest", "--dry-run"], env=env(), stdout=full,
                              stderr=subprocess.PIPE, text=True)
    assert done.returncode == 5 and "stdout can't be written" in done.stderr, (done.returncode, done.stderr)


def check_limit(lake, scratch):
    before = tree(lake)
    expect(call("streaming_index", "--lake", lake, "--set", "memory=1MiB", "--set", "backend=memory"), 6, "budget")

    def small_address_space():
        resource.setrlimit(resource.RLIMIT_STACK, (4 << 30, 4 << 30))
        resource.setrlimit(resource.RLIMIT_AS, (48 << 30, 48 << 30))

    expect(call("streaming_index", "--lake", lake, "--threads", 100, preexec_fn=small_address_space), 6, "threads")
    assert tree(lake) == before


def stop_in_the_middle(signal_number, *command):
    """Sends the signal as soon as the run has its work directory."""
    with tempfile.TemporaryDirectory() as work:
        run = subprocess.Popen([*map(str, command), "--work-dir", work], env=env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while not os.listdir(work) and time.monotonic() < deadline:
            time.sleep(0.002)
        run.send_signal(signal_number)
        stdout, stderr = run.communicate(timeout=60)
        left = os.listdir(work)
    assert left == [], left
    return subprocess.CompletedProcess(command, run.returncode, stdout, stderr)


def check_stopped(lake, scratch):
    big = pathlib.Path(scratch, "big")
    recon.make_lake(big, 60000, 3, 7)
    before = tree(big)
    for number in (signal.SIGTERM, signal.SIGINT):
        done = stop_in_the_middle(number, recon.BIN / "streaming_index", "--lake", big, "--threads", 1, "--batch-rows", 1,
                                  "--output-format", "json")
        expect(done, 7, "nothing was published")
        assert json.loads(done.stdout)["status"] == "stopped", done.stdout
        assert tree(big).keys() - before.keys() <= {"_staging"}, sorted(tree(big).keys() - before.keys())
    expect(call("streaming_index", "--lake", big, "--quiet"), 0)  # and a re-run is as if nothing had been


# ---- summaries and progress ----

def check_json_summary(lake, scratch):
    copy = fresh(lake, scratch, "summary")
    summary = json.loads(expect(call("streaming_index", "--lake", copy, "--output-format", "json", "--quiet"), 0).stdout)
    assert summary["status"] == "done" and summary["conservation"] is True, summary
    for step in summary["steps"]:
        assert step["in"] == step["taken"] + step["filtered"] + step["late"] + step["dead"], step
    steps = {(step["step"], step["verb"]): step for step in summary["steps"]}
    reasons = {}
    for reason in summary["bad_record_reasons"]:
        reasons[reason["source"]] = reasons.get(reason["source"], 0) + reason["count"]
    for source in ("transactions", "fraud_signals"):
        assert reasons.get(source, 0) == summary["bad_records"][source], (source, reasons)
        assert steps[source, "source"]["in"] + summary["bad_records"][source] >= summary["rows_in"][source], source
        letters = sum(len(path.read_text().splitlines()) for path in (copy / "dlq" / source).rglob("*.jsonl"))
        assert letters == summary["bad_records"][source], (source, letters)
    for table, files in summary["tables"].items():
        assert sum(file["rows"] for file in files) == summary["rows_out"][table], table
        assert all((copy / file["file"]).exists() for file in files), table
    import pyarrow.parquet
    rows = sum(pyarrow.parquet.read_metadata(path).num_rows for path in (copy / "curated/streaming_index").rglob("*.parquet"))
    assert rows == summary["rows_out"]["streaming_index"], rows


def check_as_of_is_one_value(lake, scratch):
    """Summary and rows carry the same start of the run, and a run with --as-of gives the same files."""
    copy = fresh(lake, scratch, "as_of")
    options = ("--lake", copy, "--date", DAYS[1], "--output-format", "json")
    summary = json.loads(expect(call("batch_recon", *options), 0).stdout)
    import pyarrow.parquet
    path = copy / f"final/aggregate_index/month=2026-03/day={DAYS[1]}/part-00000.parquet"
    stamps = set(pyarrow.parquet.read_table(path, partitioning=None)["reconciliation_timestamp"].to_pylist())
    assert [stamp.strftime("%Y-%m-%dT%H:%M:%SZ") for stamp in stamps] == [summary["as_of"]], (stamps, summary["as_of"])
    again = []
    for _ in range(2):
        expect(call("batch_recon", *options, "--as-of", "2026-03-03T06:00:00Z"), 0)
        again.append(path.read_bytes())
    assert again[0] == again[1]


def check_progress_on_a_terminal(lake, scratch):
    copy = fresh(lake, scratch, "terminal")
    master, slave = pty.openpty()
    command = [str(recon.BIN / "streaming_index"), "--lake", str(copy), "--batch-rows", "16", "--threads", "1"]
    run = subprocess.Popen(command, env=env(), stdout=subprocess.PIPE, stderr=slave)
    os.close(slave)
    shown = b""
    while True:
        try:
            chunk = os.read(master, 4096)
        except OSError:  # how Linux tells that the other side is closed
            break
        if not chunk:
            break
        shown += chunk
    run.communicate()
    os.close(master)
    assert run.returncode == 0 and b"\r" in shown and b"records" in shown and b"1/1" in shown, shown
    assert shown.endswith(b"\r\x1b[K") and b"\n" not in shown, shown[-200:]
    assert expect(call("streaming_index", "--lake", copy), 0).stderr == ""  # less than ten seconds: nothing in a log


# ---- streamctl ----

def check_streamctl_validate(lake, scratch):
    done = expect(call("streamctl", "validate", INDEX), 0)
    assert re.fullmatch(r"ok: 2 sources, 2 tables, \d+ steps, 2 sinks\n", done.stdout), done.stdout
    expect(call("streamctl", "validate", BATCH, *PARAMETERS), 0)
    expect(call("streamctl", "validate", BATCH), 2, "batch_recon.yaml:6:3: error: parameter run_date", "2 errors")
    expect(call("streamctl", "validate", "/no/such.yaml"), 2, "/no/such.yaml")
    expect(call("streamctl", "validate"), 2, "FILE is missing")
    broken = pathlib.Path(scratch, "broken2.yaml")
    broken.write_text("libstream: 1\nname: broken\nsteps:\n  one: { from: nowhere, filtr: x }\n")
    done = expect(call("streamctl", "validate", broken), 2, "did you mean")
    assert re.search(r"broken2\.yaml:4:\d+: error: ", done.stderr), done.stderr
    no_key = {name: value for name, value in env().items() if not name.startswith("RECON_MASK_KEY")}
    expect(call("streamctl", "validate", INDEX, environment=no_key), 0)  # checking wants no secret


def check_streamctl_describe(lake, scratch):
    assert "enriched" in expect(call("streamctl", "describe", INDEX), 0).stdout
    assert expect(call("streamctl", "describe", INDEX, "--format", "dot"), 0).stdout.startswith("digraph")
    expect(call("streamctl", "describe", INDEX, "--format", "png"), 2, "text|dot|svg")
    expect(call("streamctl", "describe", INDEX, "--format", "svg", environment=env(PATH="/no/where")), 2, "graphviz")
    if shutil.which("dot"):
        assert "<svg" in expect(call("streamctl", "describe", INDEX, "--format", "svg"), 0).stdout


def check_streamctl_acls(lake, scratch):
    lines = expect(call("streamctl", "acls", INDEX, "--principal", "User:CN=the index"), 0).stdout.splitlines()
    assert all(line.startswith('kafka-acls.sh --bootstrap-server "$KAFKA_BROKERS" --add --allow-principal \'User:CN=the index\' --operation ')
               for line in lines), lines
    wanted = {line.split("--operation ")[1].split("  #")[0] for line in lines}
    assert len(wanted) == len(lines), lines
    assert {"Read --topic policies_topic", "Write --topic transactions_topic.dlq", "Read --group streaming-index",
            "Write --transactional-id streaming-index- --resource-pattern-type prefixed",
            "Delete --topic streaming-index-late_signals-lake"} <= wanted, wanted
    at_least_once = expect(call("streamctl", "acls", INDEX, "--principal", "User:x", "--set", "processing=at_least_once"), 0).stdout
    assert "--group" in at_least_once and "--transactional-id" not in at_least_once, at_least_once
    for bad in ("x", ":x", "User:"):
        expect(call("streamctl", "acls", INDEX, "--principal", bad), 2, "as User:streaming-index")
    expect(call("streamctl", "acls", INDEX), 2, "--principal")


def check_streamctl_plan(lake, scratch):
    """Which state survives an edit: names, keys and columns of stores and internal topics."""
    def edited(name, *changes):
        text = BATCH.read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        path = pathlib.Path(scratch, name)
        path.write_text(text)
        return path

    def plan(now, before, code, *options):
        done = expect(call("streamctl", "plan", now, "--against", before, *PARAMETERS, "--output-format", "json", *options), code)
        told = json.loads(done.stdout)
        assert told["lost"] == sum(item["state"] in ("orphaned", "incompatible") for item in told["items"]), told
        assert (told["lost"] > 0) == (code == 8), told
        return {(item["kind"], item["name"]): (item["state"], item["reason"]) for item in told["items"]}

    same = plan(BATCH, BATCH, 0)
    assert set(state for state, _ in same.values()) == {"survives"}, same
    assert {name for kind, name in same if kind == "store"} == {"current_rows", "seen_statements", "posted_amounts", "merchant_kpis"}, same
    assert ("topic", "by_merchant-repartition") in same, same

    harmless = edited("harmless.yaml", ("<= ${tolerance} THEN 'MATCHED'", "< ${tolerance} THEN 'MATCHED'"), ("  judged:", "  looked_at:"),
                      ("from: judged", "from: looked_at"))
    assert plan(harmless, BATCH, 0) == same

    renamed = edited("renamed.yaml", ("store: posted_amounts", "store: posted_sums"), ("  by_merchant:", "  per_merchant:"),
                     ("from: by_merchant", "from: per_merchant"))
    told = plan(renamed, BATCH, 8)
    assert told["store", "posted_sums"] == ("new", None), told
    assert told["store", "posted_amounts"] == ("orphaned", "no step has a store of this name"), told
    assert told["topic", "per_merchant-repartition"][0] == "new" and told["topic", "by_merchant-repartition"][0] == "orphaned", told
    assert told["store", "merchant_kpis"] == ("survives", None), told

    other_key = edited("other_key.yaml", ("select_key: [merchant_id, currency]", "select_key: merchant_id"), ("      currency: currency\n      transaction_count", "      transaction_count"))
    told = plan(other_key, BATCH, 8)
    assert told["store", "merchant_kpis"] == ("incompatible", "its key was (merchant_id, currency) and is (merchant_id)"), told
    assert told["topic", "by_merchant-repartition"] == ("incompatible", "its key was (merchant_id, currency) and is (merchant_id)"), told

    other_values = edited("other_values.yaml", ("        rows: count(*)", "        rows: count(*)\n        fees: sum(fee_charged)"))
    told = plan(other_values, BATCH, 8)
    assert told["store", "posted_amounts"][0] == "incompatible" and "other columns" in told["store", "posted_amounts"][1], told

    other_id = edited("other_id.yaml", ("default: batch-recon,", "default: recon-2,"))
    told = plan(other_id, BATCH, 8)
    assert told["group", "recon-2"][0] == "new" and told["group", "batch-recon"][0] == "orphaned", told

    text = expect(call("streamctl", "plan", renamed, "--against", BATCH, *PARAMETERS), 8).stdout
    assert re.search(r"^store  posted_amounts +orphaned: no step has a store of this name$", text, re.M) and text.endswith("lost\n"), text
    assert expect(call("streamctl", "plan", BATCH, "--against", BATCH, *PARAMETERS), 0).stdout.endswith("nothing is lost\n")
    less = edited("less.yaml", ("  tolerance: { type: decimal, default: 0, min: 0, about: Differences up to here are matches }\n", ""), ("${tolerance}", "0"))
    plan(BATCH, less, 0, "--set", "tolerance=0.5")  # the old file has no such parameter
    expect(call("streamctl", "plan", BATCH, *PARAMETERS), 2, "--against FILE is missing")
    expect(call("streamctl", "plan", BATCH, "--against", "/no/such.yaml", *PARAMETERS), 2, "/no/such.yaml")


def check_streamctl_run(lake, scratch):
    copy = fresh(lake, scratch, "run")
    index = copy / f"curated/streaming_index/dt={DAYS[0]}/part-00000.parquet"
    before = index.read_bytes()
    shutil.rmtree(copy / "curated")
    expect(call("streamctl", "run", INDEX, "--lake", copy), 0)
    assert index.read_bytes() == before  # the same topology, the same rows
    expect(call("streamctl", "run", BATCH, *PARAMETERS, "--lake", copy, "--date", DAYS[1]), 0)
    expect(call("streamctl", "run", INDEX), 2, "--lake ROOT is missing")


def check_streamctl_texts(lake, scratch):
    no_key = {name: value for name, value in env().items() if not name.startswith("RECON_MASK_KEY")}
    listed = expect(call("streamctl", "udf", "list", environment=no_key), 0).stdout
    for name in ("udf_calc_discrepancy", "udf_flag_compliance", "udf_mask_sensitive", "udf_derive_status", "udf_kpi_calculation"):
        assert f"  {name}(" in listed, listed
    assert re.search(r"udf_mask_sensitive\(.*\) -> string, .*declassifies", listed) and listed.count("declassifies") == 1, listed
    assert "recon 1.0.0" in expect(call("streamctl", "udf", "list", "recon"), 0).stdout
    expect(call("streamctl", "udf", "list", "recn"), 2, "did you mean 'recon'?")
    json.loads(expect(call("streamctl", "schema"), 0).stdout)
    assert expect(call("streamctl", "reference"), 0).stdout.lstrip().startswith("#")
    assert "|" in expect(call("streamctl", "expressions"), 0).stdout
    assert len(expect(call("streamctl", "faults"), 0).stdout.split()) >= 8
    expect(call("streamctl", "validat"), 2, "did you mean 'validate'?")
    expect(call("streamctl", "udf", "lst"), 2, "did you mean 'udf list'?")
    expect(call("streamctl"), 2, "a command is missing")


def main():
    checks = [(name, check) for name, check in globals().items() if name.startswith("check_")]
    wanted = sys.argv[1:]
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        lake = pathlib.Path(scratch, "lake")
        recon.make_lake(lake, 3000, 3, 3)
        expect(call("streaming_index", "--lake", lake), 0)
        for name, check in checks:
            if wanted and name not in wanted:
                continue
            try:
                check(lake, scratch)
            except Exception:  # the other cases are worth knowing too
                failed += 1
                print(f"{name} failed:\n{traceback.format_exc()}")
    print(f"{len(checks) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
