#!/usr/bin/env python3
"""The Kafka edges on a real broker: transactions, groups, records, topics; keys against Kafka's own Java
producer; a broker that is killed and one that hangs.

Needs BUILD_DIR. Exit 77: something it needs is not installed.
"""
import concurrent.futures
import os
import signal
import subprocess
import sys
import time

import kafka_server

N_KEYS, N_PARTITIONS = 60, 7
JAVA_TOPIC = "java-keys"
OUTAGE_TOPIC = "outage-in"
PARTS = ("transactions", "groups", "records", "no_admin", "no_producer", "no_consumer")
PROGRAM = os.path.join(os.environ.get("BUILD_DIR", "build"), "tests", "it_kafka_edges_checks")
# a transaction that takes too long is looked for often
SETTINGS = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000}


def keys():
    """Keys of all lengths, with bytes above 127 (which Java's signed bytes would get wrong)."""
    letters = "aZ9-ÿéß漢字€𝄞"
    return ["".join(letters[(i * 7 + j * 3) % len(letters)] for j in range(i % 13 + 1)) + str(i) for i in range(N_KEYS)]


def produce_with_java(cluster):
    cluster.tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", cluster.bootstrap, "--create",
                 "--topic", JAVA_TOPIC, "--partitions", str(N_PARTITIONS))
    cluster.tool("org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", cluster.bootstrap, "--topic", JAVA_TOPIC,
                 "--property", "parse.key=true", input="".join(f"{key}\t{key}\n" for key in keys()))


def run_part(cluster, part, **more):
    env = {**os.environ, **more, "LS_TEST_KAFKA": cluster.bootstrap, "LS_TEST_JAVA_TOPIC": JAVA_TOPIC, "CK_RUN_CASE": part}
    return subprocess.Popen([PROGRAM], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            preexec_fn=kafka_server.die_with_parent)


def run_parts(cluster):
    """All at once: they mostly wait."""
    begin = time.monotonic()
    running = {part: run_part(cluster, part) for part in PARTS if part != "records"}
    produce_with_java(cluster)
    running["records"] = run_part(cluster, "records")
    failed = []
    for part, process in running.items():
        output, _ = process.communicate()
        print(f"{'ok' if process.returncode == 0 else 'FAILED'}: {part} ({time.monotonic() - begin:.0f} s)")
        if process.returncode != 0:
            failed.append(part)
            print(output)
    return failed


def run_outage(cluster):
    """Kills the broker while records are copied, and starts it again; later it hangs for a while."""
    cluster.tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", cluster.bootstrap, "--create",
                 "--topic", OUTAGE_TOPIC, "--partitions", "2")
    process = run_part(cluster, "outage", LS_TEST_OUTAGE=OUTAGE_TOPIC)
    output = ""
    for line in process.stdout:
        output += line
        if line == "commits: 40\n":
            cluster.kill(1)
            cluster.start(1)
        if line == "commits: 100\n":
            cluster.send(1, signal.SIGSTOP)
            time.sleep(2)
            cluster.send(1, signal.SIGCONT)
    process.wait()
    summary = [line for line in output.splitlines() if line.startswith("outage:")]
    print(f"{'ok' if process.returncode == 0 else 'FAILED'}: {' '.join(summary) or 'outage'}")
    if process.returncode != 0:
        print(output)
    return ["outage"] if process.returncode != 0 else []


def main():
    kafka_server.need()
    with kafka_server.running(settings=SETTINGS, wait=False) as cluster, \
            kafka_server.running(settings=SETTINGS, wait=False) as sick:
        cluster.await_started()
        sick.await_started()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            outage = pool.submit(run_outage, sick)
            failed = run_parts(cluster) + outage.result()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
