#!/usr/bin/env python3
"""The floor of streaming: bare librdkafka, and our Kafka edges, copying one topic exactly once, in turn, on one broker.

    bench/peers/copy_loop/run.py [--records N] [--bytes B] [--partitions P] [--commit-ms MS] [--runs R] [--queue-mb Q]

Prints records a second, CPU microseconds a record and peak memory of each (medians), and checks that each output topic
holds what the input does. The broker runs on the same cores. Needs tools/install.sh test and ./dev build bench_kafka_edges.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/integration"))
import kafka_server  # noqa: E402

JAVA = ["-Xmx1g", "-Xms1g"]


def options():
    parser = argparse.ArgumentParser(description="copy loops")
    parser.add_argument("--records", type=int, default=2000000)
    parser.add_argument("--bytes", type=int, default=200)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--commit-ms", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--queue-mb", type=int, default=32, help="queue of our consumer")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    return parser.parse_args()


def compiled(folder):
    program = pathlib.Path(folder, "copy_loop")
    subprocess.run(["cc", "-O2", "-std=c11", "-D_DEFAULT_SOURCE", pathlib.Path(__file__).with_name("copy_loop.c"), "-o",
                    program, "-lrdkafka"], check=True)
    return program


def output(*command):
    done = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, encoding="utf-8")
    return json.loads(done.stdout.strip().splitlines()[-1])


class Bench:
    def __init__(self, cluster, args, loop):
        self.cluster, self.args, self.loop, self.n_topics = cluster, args, loop, 0

    def topic(self, name):
        self.n_topics += 1
        name = f"{name}-{self.n_topics}"
        self.cluster.tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.cluster.bootstrap, "--create",
                          "--topic", name, "--partitions", str(self.args.partitions))
        return name

    def n_committed(self, topic):
        """Records in a topic as a reader of committed ones sees them."""
        return output(self.loop, "copy", self.cluster.bootstrap, topic, self.topic("check"), self.args.partitions, 1000, 512)["records"]

    def run(self, source, variant):
        target = self.topic("out")
        tail = [self.cluster.bootstrap, source, target, self.args.partitions, self.args.commit_ms]
        program = {"ours": [self.args.build / "bin/bench_kafka_edges"]}.get(variant, [self.loop, "copy"])
        queue_mb = {"ours": self.args.queue_mb, "bare": 512, "bare, default queues": 0}[variant]
        self.forget_groups()
        result = output(*program, *tail, queue_mb)
        if result["records"] != self.args.records:
            raise SystemExit(f"FAILED: {variant} copied {result['records']}")
        return result, target

    def forget_groups(self):
        """Each run reads from the beginning."""
        for group in ("copy", "edges"):
            try:
                self.cluster.tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--bootstrap-server",
                                  self.cluster.bootstrap, "--delete", "--group", group)
            except SystemExit:
                pass  # there is none yet


def summary(variant, results):
    rate = statistics.median(r["records"] / r["seconds"] for r in results)
    cpu = statistics.median(r["cpu_seconds"] / r["records"] * 1e6 for r in results)
    peak = max(r["peak_bytes"] for r in results) / (1 << 20)
    print(f"{variant:22} {rate:10,.0f} records/s {cpu:7.2f} us CPU/record {peak:7.0f} MiB")
    return {"variant": variant, "records_per_second": rate, "cpu_us_per_record": cpu, "peak_mib": peak}


def main():
    args = options()
    os.environ.setdefault("BUILD_DIR", str(args.build))
    variants = ["bare", "ours", "bare, default queues"]
    with tempfile.TemporaryDirectory() as folder, kafka_server.running(java_options=JAVA) as cluster:
        bench = Bench(cluster, args, compiled(folder))
        source = bench.topic("in")
        subprocess.run([bench.loop, "load", cluster.bootstrap, source, str(args.partitions), str(args.records),
                        str(args.bytes)], check=True)
        results = {variant: [] for variant in variants}
        for _ in range(args.runs):
            for variant in variants:
                result, target = bench.run(source, variant)
                results[variant].append(result)
                print(f"  {variant}: {json.dumps(result)}", file=sys.stderr)
        bench.forget_groups()
        copied = bench.n_committed(target)
        if copied != args.records:
            raise SystemExit(f"FAILED: the output holds {copied} records")
        print(json.dumps({"options": {k: str(v) for k, v in vars(args).items()},
                          "results": [summary(variant, results[variant]) for variant in variants]}))


if __name__ == "__main__":
    main()
