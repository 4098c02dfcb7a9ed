"""Apicurio, a schema registry with Confluent's interface, on loopback for one test; and a front for it that asks for credentials, has
TLS, and can be out of order.

    with registry_server.running() as registry:
        program(registry.url)
"""

import base64
import contextlib
import http.server
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import kafka_server

HOME = kafka_server.ROOT / ".tools" / "registry"  # tools/install.sh puts it there
START_SECONDS = 90


def need():
    """Ends a test as skipped where Kafka or the registry is not installed."""
    kafka_server.need()
    if not (HOME / "complete").exists():
        print("skipped: the registry is not installed (tools/install.sh test)")
        sys.exit(77)


class Registry:
    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/apis/ccompat/v7"

    def ask(self, path, body=None, method=None):
        """Status and text of an answer."""
        request = urllib.request.Request(self.url + path, data=body.encode() if body else None, method=method,
                                         headers={"Content-Type": "application/vnd.schemaregistry.v1+json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@contextlib.contextmanager
def running():
    port = kafka_server.free_ports(1)[0]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [HOME / "java" / "home" / "bin" / "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dquarkus.http.port={port}",
             "-Dquarkus.http.host=127.0.0.1", "-Dquarkus.management.port=0", "-jar", "quarkus-run.jar"],
            cwd=HOME / "app", stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=kafka_server.die_with_parent)
        registry = Registry(port)
        try:
            until = time.monotonic() + START_SECONDS
            while True:
                with contextlib.suppress(OSError):
                    if registry.ask("/schemas/types")[0] == 200:
                        break
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise SystemExit(f"FAILED: the registry does not start:\n{log.read().decode()[-3000:]}")
                time.sleep(0.1)
            yield registry
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def make_certificates(folder):
    """A certificate authority and a certificate of 127.0.0.1: (ca file, certificate with key)."""
    folder = pathlib.Path(folder)
    ca, key, both = folder / "ca.pem", folder / "key.pem", folder / "server.pem"
    quiet = {"check": True, "capture_output": True}
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", key,
                    "-out", ca, "-addext", "subjectAltName=IP:127.0.0.1"], **quiet)
    both.write_text(ca.read_text() + key.read_text())
    return ca, both


class Front:
    """Hands requests on to a registry. accepts: the values of Authorization that it takes, None: any; down: it answers 503;
    asked: the paths of what is answered, in order."""

    def __init__(self, registry, certificate=None):
        self.accepts, self.down, self.asked = None, False, []
        front = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                n = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(n).decode() if n else None
                if front.down:
                    status, text = 503, "<html>out of order</html>"
                elif front.accepts is not None and self.headers.get("Authorization") not in front.accepts:
                    status, text = 401, '{"error_code":401,"message":"who are you?"}'
                else:
                    status, text = registry.ask(self.path, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())
                front.asked.append(self.path)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


# a proxy of the machine is not asked for loopback
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
