#!/usr/bin/env python3
"""A broker with TLS, SCRAM, client certificates and ACLs. With just the ACLs that `streamctl acls` prints a topology gives, exactly
once, what it gives elsewhere; without any one of them, and with every usual mistake in a property, it ends with exit 2 and one error
that says what is wrong. No password is in any output."""

import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import it_stream
import kafka_server
import live
import recon
import secure

PASSWORD = "pw-Zebra!4711"
KEY_PASSWORD = "kp-Otter?0815"
WRONG = "wrong-Heron#1"
SECRETS = (PASSWORD, KEY_PASSWORD, WRONG)
SECONDS_MAX = 60  # a run that should end by itself and has not is a failure

# Everything that asks the cluster for something: a repartition topic, a changelog, a global table, dead letters, topics that are made.
TOPOLOGY = """
libstream: 1
name: totals
runtime: {{ memory: 64MiB, max_bad_records: "50%" }}
kafka:
  application_id: "{name}"
  properties:
{properties}
schemas:
  payment:
    key: id
    time: at
    fields: {{ id: string, shop: string, amount: "decimal(9,2)", at: timestamp }}
  shop:
    key: shop
    fields: {{ shop: string, country: string }}
sources:
  payments: {{ schema: payment, live: {{ kafka: payments, idle_after: 1ms }}, dead_letters: {{ kafka: "{name}.dlq" }} }}
tables:
  shops: {{ schema: shop, global: true, live: {{ kafka: shops }} }}
steps:
  named:
    from: payments
    left_join: {{ with: shops, on: shop }}
  by_country:
    from: named
    select: {{ id: id, country: shops.country, amount: amount, at: at }}
  totals:
    from: by_country
    aggregate: {{ by: country, values: {{ n: count(*), total: sum(amount) }}, store: totals }}
sinks:
  out: {{ from: totals, live: {{ kafka: "{name}.out", create: {{ partitions: 2 }} }} }}
"""
COUNTRIES = ("DE", "FR", "US")
N_PAYMENTS = 600


def feed(brokers):
    to = live.producer(brokers)
    for shop in range(12):
        live.send(to, "shops", f"s{shop}", json.dumps({"shop": f"s{shop}", "country": COUNTRIES[shop % 3]}))
    for n in range(N_PAYMENTS):
        payment = {"id": f"p{n}", "shop": f"s{n % 12}", "amount": f"{n}.25", "at": f"2026-03-01T00:{n // 60:02d}:{n % 60:02d}Z"}
        live.send(to, "payments", f"p{n}", json.dumps(payment))
    live.send(to, "payments", "bad", "{}")
    to.flush()


def expected_totals():
    return {country: (N_PAYMENTS // 3, f"{sum(n for n in range(N_PAYMENTS) if n % 3 == i) + N_PAYMENTS // 3 // 4}.00")
            for i, country in enumerate(COUNTRIES)}


class Site:
    """The broker, its authority, and topologies that reach it."""

    def __init__(self, cluster, authority, ports, scratch):
        self.cluster, self.authority, self.scratch = cluster, authority, pathlib.Path(scratch)
        self.sasl, self.mutual, self.stranger = (f"localhost:{port}" for port in ports)
        self.admin = cluster.bootstrap
        self.acls = secure.Acls(self.admin)
        self.newer = {"LD_LIBRARY_PATH": str(secure.newer_librdkafka(scratch))}

    def by_password(self, user, **changed):
        """Properties of a user who has a password; None takes one away."""
        properties = {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": user,
                      "sasl.password": "${env:SECURE_PASSWORD}", "ssl.ca.location": self.authority.certificate,
                      **{name.replace("_", "."): value for name, value in changed.items()}}
        return {name: value for name, value in properties.items() if value is not None}

    def by_certificate(self, user, **changed):
        certificate, key = self.authority.issue(user, password=KEY_PASSWORD)
        properties = {"security.protocol": "SSL", "ssl.ca.location": self.authority.certificate, "ssl.certificate.location": certificate,
                      "ssl.key.location": key, "ssl.key.password": "${env:SECURE_KEY_PASSWORD}",
                      **{name.replace("_", "."): value for name, value in changed.items()}}
        return {name: value for name, value in properties.items() if value is not None}

    def write(self, name, properties):
        path = self.scratch / f"{name}.yaml"
        path.write_text(TOPOLOGY.format(name=name, properties="\n".join(f'    {key}: "{value}"' for key, value in properties.items())))
        return path

    def streamctl(self, brokers, *command, **environment):
        """(exit code, stdout, stderr); None for a code: it had to be killed."""
        process = subprocess.Popen([str(part) for part in (recon.BIN / "streamctl", *command)], text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=recon.environment(**{"KAFKA_BROKERS": brokers, "SECURE_PASSWORD": PASSWORD,
                                                                                    "SECURE_KEY_PASSWORD": KEY_PASSWORD, **environment}))
        try:
            out, errors = process.communicate(timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            return (None, *process.communicate())
        return process.returncode, out, errors

    def run(self, name, path, brokers, **environment):
        return self.streamctl(brokers, "run", path, "--live", "--until-end", "--quiet", "--output-format", "json",
                              "--state-dir", self.scratch / f"{name}.state", **environment)

    def needed(self, path, user):
        code, out, errors = self.streamctl("nowhere:1", "acls", path, "--principal", f"User:{user}")
        assert code == 0, errors
        return secure.parse_acls(out)


class Report:
    def __init__(self):
        self.n_failed = 0

    def tell(self, good, what, text=""):
        self.n_failed += not good
        print("ok    " if good else "FAILED", what, *([] if good else [text[-3000:]]), flush=True)

    def ended(self, what, result, code, *words):
        """Whether a program ended with code, with all the words in one line of stderr, and told no secret."""
        lines = result[2].strip().splitlines() or [""]
        line = next((line for line in reversed(lines) if all(word in line for word in words)), None)
        told = [secret for secret in SECRETS if secret in result[1] + result[2]]
        good = result[0] == code and line is not None and not told
        self.tell(good, f"{what}: exit {result[0]} {line or lines[-1] if words else ''}{told or ''}"[:500], result[1] + result[2])


def refusals(site, report):
    """Each mistake in a property: its own error, at once."""
    other = secure.Authority(site.scratch, "other")
    newer = site.newer
    scram, certificate = site.by_password, site.by_certificate
    has_old = secure.version_of("librdkafka.so.1") < secure.SCRAM_WORKS_FROM
    cases = [
        ("wrong password", site.sasl, scram("scram"), {**newer, "SECURE_PASSWORD": WRONG}, ("refuses", "sasl.password")),
        ("wrong password, PLAIN", site.sasl, scram(secure.PLAIN_USER, sasl_mechanism="PLAIN"), {"SECURE_PASSWORD": WRONG}, ("refuses", "sasl.password")),
        ("unknown user", site.sasl, scram("nobody"), newer, ("refuses", "sasl.username")),
        ("no such mechanism", site.sasl, scram("scram", sasl_mechanism="GSSAPIX"), {}, ("GSSAPIX",)),
        ("other authority", site.sasl, scram("scram", ssl_ca_location=other.certificate), newer, ("authority", "ssl.ca.location")),
        ("other authority, old", site.mutual, certificate("c1", ssl_ca_location=other.certificate), {}, ("authority", "ssl.ca.location")),
        ("no authority", site.mutual, certificate("c2", ssl_ca_location=None), {}, ("authority", "ssl.ca.location")),
        ("no such file", site.mutual, certificate("c3", ssl_ca_location="/nowhere/ca.pem"), {}, ("ssl.ca.location", "/nowhere/ca.pem")),
        ("other host", site.stranger, scram("scram"), newer, ("another host", "bootstrap.servers")),
        ("other host, PLAIN", site.stranger, scram(secure.PLAIN_USER, sasl_mechanism="PLAIN"), {}, ("another host", "bootstrap.servers")),
        ("no client certificate", site.mutual, certificate("c4", ssl_certificate_location=None, ssl_key_location=None, ssl_key_password=None), {}, ("refuses", "ssl.certificate.location")),
        ("wrong key password", site.mutual, certificate("c5"), {"SECURE_KEY_PASSWORD": WRONG}, ("ssl.key.location",)),
        ("password in the file", site.sasl, scram("scram", sasl_password=WRONG), {}, ("sasl.password is a secret", "${env:NAME}", ".yaml:")),
        ("key password in the file", site.mutual, certificate("c6", ssl_key_password=WRONG), {}, ("ssl.key.password is a secret",)),
        ("key in the file", site.mutual, certificate("c7", ssl_key_pem=WRONG), {}, ("ssl.key.pem is a secret",)),
        ("no such variable", site.sasl, scram("scram", sasl_password="${env:SECURE_NOTHING}"), {}, ("sasl.password", "SECURE_NOTHING")),
        ("no such secret file", site.sasl, scram("scram", sasl_password="${file:/nowhere/pw}"), {}, ("sasl.password", "/nowhere/pw")),
    ]
    if has_old:
        cases.append(("SCRAM of an old librdkafka", site.sasl, scram("scram"), {}, ("refuses", "2.6.1")))

    def one(case):
        what, brokers, properties, environment, words = case
        name = "bad-" + "".join(c for c in what if c.isalnum())
        begin = time.monotonic()
        result = site.run(name, site.write(name, properties), brokers, **environment)
        return f"{what} ({time.monotonic() - begin:.1f} s)", result, words

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for what, result, words in pool.map(one, cases):
            report.ended(what, result, 2, *words)


def good_runs(site, report):
    """By client certificate with the distribution's librdkafka, by SCRAM with one that can: right, once, and nothing the second time."""
    (site.scratch / "password").write_text(PASSWORD + "\n")
    ways = {
        "certificate": (site.mutual, site.by_certificate("certificate"), {}),
        "scram": (site.sasl, site.by_password("scram"), site.newer),
        "scram256": (site.sasl, site.by_password("scram", sasl_mechanism="SCRAM-SHA-256", sasl_password="${file:password}"), site.newer),
        "plain": (site.sasl, site.by_password(secure.PLAIN_USER, sasl_mechanism="PLAIN"), {}),
    }
    users = {"scram256": "scram", "plain": secure.PLAIN_USER}

    def one(way):
        brokers, properties, environment = ways[way]
        path = site.write(way, properties)
        denied = site.run(way, path, brokers, **environment)
        site.acls.allow(site.needed(path, users.get(way, way)))
        return way, denied, [site.run(way, path, brokers, **environment) for _ in range(2)]

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for way, denied, (first, second) in pool.map(one, ways):
            report.ended(f"{way}: without ACLs", denied, 2, "AUTHORIZATION_FAILED", "streamctl acls")
            report.ended(f"{way}: first", first, 0)
            report.ended(f"{way}: again", second, 0)
            rows = {key: (row["n"], row["total"]) for key, row in live.last_rows(live.committed(site.admin, f"{way}.out")).items()}
            report.tell(rows == expected_totals(), f"{way}: totals", f"{rows}\n{expected_totals()}")
            letters = live.committed(site.admin, f"{way}.dlq")
            report.tell(len(letters) == 1, f"{way}: one dead letter", str(letters))


def other_commands(site, report):
    """dlq and parity over the same properties; what they read besides has to be allowed; Kafka's own tool takes our commands."""
    name = "certificate"
    path, user = site.scratch / f"{name}.yaml", f"User:{name}"
    topic, literal = secure.admin.ResourceType.TOPIC, secure.admin.ResourcePatternType.LITERAL
    listed = site.streamctl(site.mutual, "dlq", "list", path)
    report.ended("dlq list, not allowed", listed, 2, "TOPIC_AUTHORIZATION_FAILED", f"{name}.dlq")
    site.acls.allow([("Read", topic, f"{name}.dlq", literal, user)])
    listed = site.streamctl(site.mutual, "dlq", "list", path, "--output-format", "json")
    report.ended("dlq list", listed, 0)
    report.tell('"payments"' in listed[1], "dlq list: the letter", listed[1])
    compared = site.streamctl(site.mutual, "parity", path)
    report.ended("parity, not allowed", compared, 2, "AUTHORIZATION_FAILED", f"{name}.out")
    site.acls.allow([(operation, topic, f"{name}.out", literal, user) for operation in ("Read", "Describe_Configs")]
                    + [("Describe_Configs", topic, f"{name}.dlq", literal, user)])
    report.ended("parity", site.streamctl(site.mutual, "parity", path), 0)
    command = next(line for line in site.streamctl("nowhere:1", "acls", path, "--principal", user)[1].splitlines() if "prefixed" in line)
    words = [site.cluster.bootstrap if word == "$KAFKA_BROKERS" else word for word in secure.shlex.split(command, comments=True)]
    told = site.cluster.tool("org.apache.kafka.tools.AclCommand", *words[1:]).stdout
    report.tell("certificate-" in told and "operation=WRITE" in told, "kafka-acls.sh", told)


def missing_acls(site, report):
    """Without any one ACL: the end, with its name."""
    n = len(site.needed(site.write("none", site.by_certificate("none")), "none"))

    def one(i):
        name = f"acl{i}"
        path = site.write(name, site.by_certificate(name))
        acls = site.needed(path, name)
        site.acls.allow(acls)
        changelog = acls[i][0] == "Read" and acls[i][2] == f"{name}-"
        if changelog:
            site.run(name, path, site.mutual)  # an empty changelog is not read
        site.acls.take_away(acls[i])
        begin = time.monotonic()
        return acls[i], site.run(name, path, site.mutual), time.monotonic() - begin

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for acl, result, seconds in pool.map(one, range(n)):
            what = f"without {acl[0]} on {acl[1].name} {acl[2]} ({seconds:.1f} s)"
            if acl[0] == "Delete":
                report.ended(what, result, 0)
                report.tell("records_not_deleted" in result[2], what + ": a warning", result[2])
            else:
                report.ended(what, result, 2, "AUTHORIZATION_FAILED", "streamctl acls", acl[2])


def main():
    kafka_server.need()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        ports = kafka_server.free_ports(3)
        authority = secure.Authority(scratch)
        with kafka_server.running(settings=secure.settings(authority, ports, PASSWORD)) as cluster:
            site = Site(cluster, authority, ports, scratch)
            live.make_topics(site.admin, ["payments", "shops"], 2)
            feed(site.admin)
            secure.make_user(site.admin, "scram", PASSWORD)
            for part in (good_runs, other_commands, refusals, missing_acls):
                begin = time.monotonic()
                part(site, report)
                print(f"{part.__name__}: {time.monotonic() - begin:.1f} s", flush=True)
    print("FAILED" if report.n_failed else "passed")
    return 1 if report.n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
