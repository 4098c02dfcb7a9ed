"""A broker as real clusters have it, for it_kafka_secure: TLS from an authority of our own, SCRAM, client certificates, ACLs."""

import ctypes
import pathlib
import secrets
import shlex
import subprocess
import time

import confluent_kafka
import confluent_kafka.admin as admin

PLAIN_USER = "clerk"  # of PLAIN; users of SCRAM are made by make_user
ADMIN = "ANONYMOUS"  # whoever comes over the plain listener: the administrator of the tests
SCRAM_WORKS_FROM = (2, 6, 1)  # librdkafka's pull request 4895: before it, brokers from Kafka 4.0 on take no SCRAM from it


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, text=True)


class Authority:
    """Signs certificates; all files are in folder."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = pathlib.Path(folder), name
        self.certificate, self.key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2, "-subj", f"/CN={name}",
                "-keyout", self.key, "-out", self.certificate)

    def issue(self, common_name, names="", password=None):
        """(certificate, key) of a name; names: subjectAltName. With a password the key is encrypted."""
        stem = f"{self.folder}/{self.name}-{common_name}"
        key, request, certificate, extensions = (pathlib.Path(stem + end) for end in (".key", ".csr", ".crt", ".ext"))
        extensions.write_text(f"subjectAltName={names}\n" if names else "")
        hidden = ["-passout", f"pass:{password}"] if password else ["-nodes"]
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", *hidden, "-subj", f"/CN={common_name}", "-keyout", key,
                "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-set_serial", secrets.randbits(60), "-days", 2,
                "-extfile", extensions, "-out", certificate)
        return certificate, key

    def keystore(self, common_name, names):
        """Certificate and key in one file, as a broker wants them."""
        certificate, key = self.issue(common_name, names)
        store = pathlib.Path(f"{certificate}.store")
        store.write_text(key.read_text() + certificate.read_text())
        return store


def settings(authority, ports, plain_password):
    """Of a broker with a plain listener for the tests' administrator, and ports of three others: SASL over TLS, client
    certificates, and SASL over TLS with a certificate that is for another host."""
    listeners = {"PLAINTEXT": "{port}", **dict(zip(("SECURE", "MUTUAL", "STRANGER"), ports))}
    good = authority.keystore("broker", "DNS:localhost,IP:127.0.0.1")
    other = authority.keystore("elsewhere", "DNS:broker.elsewhere.example")
    modules = "org.apache.kafka.common.security"
    sasl = {"sasl.enabled.mechanisms": "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN",
            "scram-sha-512.sasl.jaas.config": f"{modules}.scram.ScramLoginModule required;",
            "scram-sha-256.sasl.jaas.config": f"{modules}.scram.ScramLoginModule required;",
            "plain.sasl.jaas.config": f'{modules}.plain.PlainLoginModule required user_{PLAIN_USER}="{plain_password}";'}
    return {
        "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in {**listeners, "CONTROLLER": "{controller}"}.items()),
        "advertised.listeners": ",".join(f"{name}://localhost:{port}" for name, port in listeners.items()),
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL,MUTUAL:SSL,STRANGER:SASL_SSL",
        "inter.broker.listener.name": "PLAINTEXT",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN}",
        "allow.everyone.if.no.acl.found": "false",
        "ssl.keystore.type": "PEM", "ssl.keystore.location": good,
        "ssl.truststore.type": "PEM", "ssl.truststore.location": authority.certificate,
        "listener.name.stranger.ssl.keystore.type": "PEM", "listener.name.stranger.ssl.keystore.location": other,
        "listener.name.mutual.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
        **{f"listener.name.{name}.{key}": value for name in ("secure", "stranger") for key, value in sasl.items()},
    }


# ---- librdkafka ----

def version_of(library):
    rdkafka = ctypes.CDLL(str(library))
    rdkafka.rd_kafka_version_str.restype = ctypes.c_char_p
    return tuple(int(part) for part in rdkafka.rd_kafka_version_str().decode().split("-")[0].split("."))


def newer_librdkafka(folder):
    """A directory for LD_LIBRARY_PATH with the librdkafka of the tests' Python client, whose SCRAM every broker takes."""
    bundled = next((pathlib.Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs").glob("librdkafka-*.so.1"))
    directory = pathlib.Path(folder, "lib")
    directory.mkdir()
    (directory / "librdkafka.so.1").symlink_to(bundled)
    assert version_of(bundled) >= SCRAM_WORKS_FROM, bundled
    return directory


# ---- users and ACLs ----

def wait_for(what, condition):
    until = time.monotonic() + 30
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"FAILED: {what} does not come into force")
        time.sleep(0.02)


def make_user(brokers, name, password):
    client = admin.AdminClient({"bootstrap.servers": brokers, "log_level": 2})
    for mechanism in (admin.ScramMechanism.SCRAM_SHA_256, admin.ScramMechanism.SCRAM_SHA_512):
        change = admin.UserScramCredentialUpsertion(name, admin.ScramCredentialInfo(mechanism, 4096), password.encode())
        for future in client.alter_user_scram_credentials([change]).values():
            future.result(30)


def parse_acls(text):
    """The commands of `streamctl acls`, one (operation, resource type, name, pattern type, principal) each."""
    kinds = {"--topic": admin.ResourceType.TOPIC, "--group": admin.ResourceType.GROUP, "--transactional-id": admin.ResourceType.TRANSACTIONAL_ID}
    found = []
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        options = dict(zip(words, words[1:]))
        kind = next(k for k in kinds if k in options)
        prefixed = options.get("--resource-pattern-type") == "prefixed"
        pattern = admin.ResourcePatternType.PREFIXED if prefixed else admin.ResourcePatternType.LITERAL
        found.append((options["--operation"], kinds[kind], options[kind], pattern, options["--allow-principal"]))
    return found


class Acls:
    """ACLs of the broker; changed by the administrator."""

    def __init__(self, brokers):
        self.client = admin.AdminClient({"bootstrap.servers": brokers, "log_level": 2})

    @staticmethod
    def filter(acl):
        operation, kind, name, pattern, principal = acl
        return admin.AclBindingFilter(kind, name, pattern, principal, "*", admin.AclOperation[operation.upper()], admin.AclPermissionType.ALLOW)

    def are(self, acl, n):
        return len(self.client.describe_acls(self.filter(acl)).result(30)) == n

    def allow(self, acls):
        bindings = [admin.AclBinding(kind, name, pattern, principal, "*", admin.AclOperation[operation.upper()], admin.AclPermissionType.ALLOW)
                    for operation, kind, name, pattern, principal in acls]
        for future in self.client.create_acls(bindings).values():
            future.result(30)
        wait_for("an ACL", lambda: self.are(acls[-1], 1))

    def take_away(self, acl):
        for future in self.client.delete_acls([self.filter(acl)]).values():
            assert len(future.result(30)) == 1, acl
        wait_for("an ACL's end", lambda: self.are(acl, 0))
