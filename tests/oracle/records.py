"""Raw files to valid records: the spec's rules for every source, one line at a time.

JSON numbers keep the text they were written with, so an amount never passes through a double. A line is either a
tuple of values in the order of the source's columns, or a reason why it is bad. user_id leaves this module as a token.
"""

import datetime
import functools
import gzip
import hashlib
import hmac
import json
import re

import pyarrow as pa

TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:Z|\+00:00)", re.ASCII)
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
DECIMAL = re.compile(r"-?(\d+)(?:\.(\d+))?", re.ASCII)
EXPONENT = re.compile(r"(-?)(\d+)(?:\.(\d+))?[eE]([+-]?\d+)", re.ASCII)
CURRENCY = re.compile(r"[A-Z]{3}")
EPOCH = datetime.date(1970, 1, 1).toordinal()
STATUSES = {"PENDING", "APPROVED", "DECLINED", "REFUNDED"}


class Bad(Exception):
    """Why a line is not a record."""


class Number(str):
    """The text of a JSON number."""


def no_constant(text):
    raise Bad("not valid JSON")


DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=no_constant)


@functools.lru_cache(maxsize=100_000)
def day_number(text):
    """Days since 1970-01-01 of a real calendar date."""
    if not DATE.fullmatch(text):
        raise Bad("not a date")
    try:
        return datetime.date.fromisoformat(text).toordinal() - EPOCH
    except ValueError:
        raise Bad("not a date") from None


def string(row, name):
    value = row.get(name)
    if value is None:
        raise Bad(f"{name} is missing or null")
    if type(value) is not str:
        raise Bad(f"{name} is not a string")
    return value


def identifier(row, name):
    value = string(row, name)
    if value == "":
        raise Bad(f"{name} is empty")
    return value


def one_of(row, name, values):
    value = string(row, name)
    if value not in values:
        raise Bad(f"{name} is not one of its values")
    return value


def optional_string(row, name):
    return None if row.get(name) is None else string(row, name)


def micros(row, name):
    match = TIME.fullmatch(string(row, name))
    if not match:
        raise Bad(f"{name} is not a UTC timestamp")
    date, hour, minute, second, fraction = match.groups()
    hour, minute, second = int(hour), int(minute), int(second)
    if hour > 23 or minute > 59 or second > 59:
        raise Bad(f"{name} is not a time of day")
    seconds = day_number(date) * 86400 + hour * 3600 + minute * 60 + second
    return seconds * 1_000_000 + int((fraction or "").ljust(6, "0"))


def without_exponent(text, name):
    """1.5E-2 -> 0.015; any other text as it is. The value counts, not how it is written: 10000e-4 is 1."""
    match = EXPONENT.fullmatch(text)
    if not match:
        return text
    sign, whole, fraction, exponent = match.groups()
    digits = (whole + (fraction or "")).lstrip("0")
    if not digits:
        return "0"
    n_zeros = len(digits) - len(digits.rstrip("0"))
    digits = digits.rstrip("0")
    if len(exponent.lstrip("+-0")) > 9 or len(digits) > 18:
        raise Bad(f"{name} does not fit decimal(18,4)")
    point = int(exponent) - len(fraction or "") + n_zeros
    if point < -4 or point + len(digits) > 14:
        raise Bad(f"{name} does not fit decimal(18,4)")
    digits = (digits + "0" * (point + 4)).rjust(5, "0")
    return f"{sign}{digits[:-4]}.{digits[-4:]}"


def decimal_text(text, name):
    """Text of a decimal(18,4) without exponent: SQL casts it."""
    text = without_exponent(text, name)
    match = DECIMAL.fullmatch(text)
    if not match:
        raise Bad(f"{name} is not a decimal")
    whole, fraction = match.groups()
    if len(fraction or "") > 4 or len(whole.lstrip("0")) > 14:
        raise Bad(f"{name} does not fit decimal(18,4)")
    return text


def amount(row, name):
    value = row.get(name)
    if value is None:
        raise Bad(f"{name} is missing or null")
    if not isinstance(value, str):
        raise Bad(f"{name} is neither a string nor a number")
    text = decimal_text(str(value), name)
    if text.startswith("-") and text.strip("-0.") != "":
        raise Bad(f"{name} is negative")
    return text


def score(row, name):
    value = row.get(name)
    if type(value) is not Number:
        raise Bad(f"{name} is not a number")
    if not 0.0 <= float(value) <= 1.0:
        raise Bad(f"{name} is outside 0 to 1")
    return float(value)


class Tokens:
    """user_id to token, by the key; each user once."""

    def __init__(self, key):
        self.of = functools.lru_cache(maxsize=None)(functools.partial(self._make, key))

    @staticmethod
    def _make(key, user):
        return "tok_" + hmac.digest(key, user.encode(), hashlib.sha256).hex()[:32]


def transaction(row, tokens):
    currency = string(row, "currency")
    if not CURRENCY.fullmatch(currency):
        raise Bad("currency is not three capital letters")
    return (identifier(row, "transaction_id"), identifier(row, "merchant_id"),
            tokens.of(identifier(row, "user_id")), amount(row, "amount"), currency,
            one_of(row, "status", STATUSES), micros(row, "timestamp"))


def fraud_signal(row, tokens):
    identifier(row, "fraud_signal_id")
    optional_string(row, "model_version")
    return identifier(row, "transaction_id"), score(row, "fraud_score"), micros(row, "inference_time")


def merchant(row, tokens):
    optional_string(row, "merchant_name")
    onboarded = optional_string(row, "onboarding_date")
    if onboarded is not None:
        day_number(onboarded)
    return identifier(row, "merchant_id"), one_of(row, "risk_level", {"LOW", "MEDIUM", "HIGH"})


def policy(row, tokens):
    optional_string(row, "rule_description")
    if type(row.get("active_flag")) is not bool:
        raise Bad("active_flag is not a boolean")
    kind = one_of(row, "policy_type", {"KYC", "AML", "REGIONAL_LIMIT"})
    return identifier(row, "policy_id"), kind, row["active_flag"]


def statement(row, tokens):
    fee = row["fee_charged"]
    return (identifier(row, "statement_id"), identifier(row, "transaction_id"), day_number(row["posting_date"]),
            decimal_text(row["amount_posted"], "amount_posted"),
            decimal_text(fee, "fee_charged") if fee != "" else None)


TEXT, INT = pa.string(), pa.int64()
SOURCES = {  # name: (files, reader, columns)
    "transactions": ("raw/transactions/dt=*/*.jsonl*", transaction, {
        "transaction_id": TEXT, "merchant_id": TEXT, "user_token": TEXT, "amount": TEXT, "currency": TEXT,
        "status": TEXT, "us": INT}),
    "fraud_signals": ("raw/fraud_signals/dt=*/*.jsonl*", fraud_signal, {
        "transaction_id": TEXT, "fraud_score": pa.float64(), "us": INT}),
    "merchants": ("reference/merchants/*.jsonl", merchant, {"merchant_id": TEXT, "risk_level": TEXT}),
    "policies": ("reference/policies/*.jsonl", policy, {"policy_id": TEXT, "policy_type": TEXT, "active": pa.bool_()}),
    "statements": ("raw/statements/dt=*/*.csv", statement, {
        "statement_id": TEXT, "transaction_id": TEXT, "posting_day": INT, "amount_posted": TEXT, "fee_charged": TEXT}),
}


# ---- files ----

def read_bytes(path):
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            return file.read()
    if path.suffix == ".zst":
        with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
            return stream.read()
    return path.read_bytes()


def json_rows(data):
    for number, raw in enumerate(data.split(b"\n"), 1):
        if raw.strip(b" \t\r\n"):
            yield number, raw


def parse_json(raw):
    try:
        row = DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise Bad("not valid UTF-8") from None
    except (ValueError, RecursionError):
        raise Bad("not valid JSON") from None
    if type(row) is not dict:
        raise Bad("not a JSON object")
    return row


def csv_rows(data):
    """Records of an RFC 4180 file as (line, bytes): a line break inside quotes does not end a record."""
    lines = data.split(b"\n")
    number = 0
    while number < len(lines):
        first, record = number, lines[number]
        while record.count(b'"') % 2 and number + 1 < len(lines):
            number += 1
            record += b"\n" + lines[number]
        number += 1
        if record.strip(b" \t\r\n"):
            yield first + 1, record[:-1] if record.endswith(b"\r") else record


QUOTED = re.compile(r'"((?:[^"]|"")*)"(,|\Z)|([^",]*)(,|\Z)')


def csv_fields(raw):
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("not valid UTF-8") from None
    if '"' not in text:
        return text.split(",")
    fields, at, more = [], 0, True
    while more:
        match = QUOTED.match(text, at)
        if not match:
            raise Bad("a quote that does not enclose a field")
        quoted, comma, plain, plain_comma = match.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        more = (comma or plain_comma) == ","
        at = match.end()
    return fields


def parse_csv(raw, header):
    fields = csv_fields(raw)
    if len(fields) != len(header):
        raise Bad(f"{len(fields)} columns where the header has {len(header)}")
    return dict(zip(header, fields))


def file_records(path, source):
    """(line, record as a dict or the Bad that kept it from being one) of each record of a file."""
    data = read_bytes(path)
    if source != "statements":
        for number, raw in json_rows(data):
            yield number, functools.partial(parse_json, raw)
        return
    rows = csv_rows(data)
    _, raw = next(rows, (1, b""))
    header = csv_fields(raw)
    missing = set(SOURCES[source][2]) - {"posting_day"} | {"posting_date"}
    if missing - set(header):
        raise SystemExit(f"{path}: the header lacks {sorted(missing - set(header))}")
    for number, raw in rows:
        yield number, functools.partial(parse_csv, raw, header)


def read_file(root, path, source, file_number, key):
    """One file's valid records as an Arrow table, and its bad ones as (file, line, reason)."""
    _, reader, columns = SOURCES[source]
    tokens, rows, bad = Tokens(key), [], []
    for number, parse in file_records(path, source):
        try:
            rows.append((*reader(parse(), tokens), file_number, number))
        except Bad as error:
            bad.append((str(path.relative_to(root)), number, str(error)))
    types = {**columns, "file": INT, "line": INT}
    arrays = zip(*rows) if rows else [[] for _ in types]
    table = pa.table([pa.array(values, type) for values, type in zip(arrays, types.values())], names=list(types))
    return table, bad


def source_files(root, source):
    """A source's files in the order of the bytes of their paths, which is the order of their records."""
    found = (path for path in root.glob(SOURCES[source][0]) if path.suffix in (".jsonl", ".csv", ".gz", ".zst"))
    return sorted(found, key=lambda path: str(path.relative_to(root)).encode())
