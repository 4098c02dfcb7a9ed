"""A real S3 server (versitygw, which checks signatures) on loopback, for tests."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import time

BUCKET = "bucket"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testkey", "AWS_SECRET_ACCESS_KEY": "testsecret1", "AWS_REGION": "us-east-1",
               "AWS_EC2_METADATA_DISABLED": "true"}


def find():
    """Path of the server's program, None where it is not installed."""
    local = pathlib.Path(os.environ.get("SOURCE_DIR", "."), ".tools/bin/versitygw")
    return str(local) if local.exists() else shutil.which("versitygw")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, server):
    for _ in range(200):
        if server.poll() is not None:
            raise SystemExit("FAILED: the S3 server ended at once")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("FAILED: the S3 server does not listen")


@contextlib.contextmanager
def running(program, folder):
    """Serves folder, with BUCKET in it; gives the environment that finds it."""
    port = free_port()
    os.makedirs(os.path.join(folder, BUCKET), exist_ok=True)
    secrets = {"ROOT_ACCESS_KEY": CREDENTIALS["AWS_ACCESS_KEY_ID"], "ROOT_SECRET_KEY": CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}
    server = subprocess.Popen([program, "--port", f"127.0.0.1:{port}", "posix", folder], env={**os.environ, **secrets},
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, server)
        yield {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    finally:
        server.terminate()
        server.wait()
