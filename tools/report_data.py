"""What the report says, read from a lake's tables, run summaries and dead letters. Money is never summed across currencies."""

import dataclasses
import datetime
import json
import pathlib
import re
from decimal import Decimal

import duckdb

STATUSES = ["MATCHED", "PARTIAL", "UNMATCHED"]
RISKS = ["LOW", "MEDIUM", "HIGH"]
DECIMALS = {"JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3, "OMR": 3, "JOD": 3, "TND": 3}
TABLES = {
    "Streaming Index": ("curated/streaming_index", "dt=*/*.parquet"),
    "Batch Index": ("curated/batch_index", "month=*/day=*/*.parquet"),
    "Final Aggregate Index": ("final/aggregate_index", "month=*/day=*/*.parquet"),
    "Merchant KPIs": ("final/merchant_kpis", "month=*/day=*/*.parquet"),
    "Dead letters": ("dlq", "*/dt=*/*.jsonl"),
}
TOP_PER_CURRENCY = 4


@dataclasses.dataclass
class View:
    """One run date, or the total: each transaction as its latest run left it."""
    name: str
    title: str
    rows: int
    statuses: dict      # reconciled status -> rows
    risks: dict         # risk -> {status -> rows}
    currencies: list    # dicts: currency, rows, matched, amount, posted, discrepancy, open
    reasons: list       # dicts: reason, rows, open = [(currency, sum)]
    discrepancies: list
    merchants: list

    @property
    def match_rate(self):
        return self.statuses.get("MATCHED", 0) / self.rows if self.rows else 0.0


@dataclasses.dataclass
class Report:
    lake: pathlib.Path
    views: list         # the total first, then the run dates, newest first
    days: list          # (date, {status -> rows}), oldest first
    summaries: list
    bad: dict           # source -> [(reason, count)]
    tables: list        # (name, path, files, bytes)


def money(value, currency, exact=True):
    """Thousands apart; decimals as the currency has, and more where they are not zero, or rounded half-even for sums."""
    if value is None:
        return "–"
    if not exact:
        value = Decimal(value).quantize(Decimal(1).scaleb(-DECIMALS.get(currency, 2)))
    text = f"{abs(Decimal(value)):,.4f}"
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0").ljust(DECIMALS.get(currency, 2), "0")
    return ("−" if value < 0 else "") + whole + (f".{fraction}" if fraction else "")


def fetch(db, query):
    cursor = db.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor.fetchall()]


def currency_rows(db, table):
    return fetch(db, f"""
        SELECT currency, count(*) AS rows, count(*) FILTER (reconciled_status = 'MATCHED') AS matched, sum(amount) AS amount,
               coalesce(sum(amount_posted), 0) AS posted, sum(discrepancy) AS discrepancy,
               coalesce(sum(abs(discrepancy)) FILTER (reconciled_status <> 'MATCHED'), 0) AS open,
               coalesce(sum(amount) FILTER (reconciled_status = 'MATCHED'), 0) AS matched_amount,
               coalesce(sum(amount) FILTER (reconciled_status = 'PARTIAL'), 0) AS partial_amount,
               coalesce(sum(amount) FILTER (reconciled_status = 'UNMATCHED'), 0) AS unmatched_amount
        FROM {table} WHERE currency IS NOT NULL GROUP BY currency ORDER BY rows DESC, currency""")


def reason_rows(db, table):
    rows = fetch(db, f"""
        SELECT reason, currency, count(*) AS rows, sum(abs(discrepancy)) AS open
        FROM {table} WHERE reason IS NOT NULL GROUP BY ALL ORDER BY reason, rows DESC""")
    reasons = {}
    for row in rows:
        entry = reasons.setdefault(row["reason"], {"reason": row["reason"], "rows": 0, "open": []})
        entry["rows"] += row["rows"]
        if row["currency"]:
            entry["open"].append((row["currency"], row["open"]))
    return sorted(reasons.values(), key=lambda entry: -entry["rows"])


def discrepancy_rows(db, table):
    """The largest ones of each currency: amounts of different currencies have no order."""
    return fetch(db, f"""
        SELECT transaction_id, merchant_id, currency, amount, amount_posted, discrepancy, status, reconciled_status, reason, risk_assessment
        FROM {table} WHERE reconciled_status <> 'MATCHED' AND currency IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY currency ORDER BY abs(discrepancy) DESC, transaction_id) <= {TOP_PER_CURRENCY}
        ORDER BY count(*) OVER (PARTITION BY currency) DESC, currency, abs(discrepancy) DESC, transaction_id""")


def merchant_rows(db, where):
    """A merchant's KPIs of one run; never summed over runs, since their days overlap."""
    return fetch(db, f"""
        SELECT merchant_id, currency, transaction_count, total_volume, refund_count, refund_volume, chargeback_count, chargeback_volume,
               unmatched_count, discrepancy_sum
        FROM kpis WHERE {where}
        QUALIFY row_number() OVER (PARTITION BY currency ORDER BY total_volume DESC, merchant_id) <= {TOP_PER_CURRENCY}
        ORDER BY sum(transaction_count) OVER (PARTITION BY currency) DESC, currency, total_volume DESC, merchant_id""")


def view(db, name, title, table, kpi_where):
    statuses = dict(db.execute(f"SELECT reconciled_status, count(*) FROM {table} GROUP BY 1").fetchall())
    risks = {risk: {} for risk in RISKS}
    for risk, status, count in db.execute(f"SELECT risk_assessment, reconciled_status, count(*) FROM {table} GROUP BY 1, 2").fetchall():
        risks.setdefault(risk, {})[status] = count
    return View(name, title, sum(statuses.values()), statuses, risks, currency_rows(db, table), reason_rows(db, table),
                discrepancy_rows(db, table), merchant_rows(db, kpi_where))


def open_tables(lake):
    """DuckDB with the views final and kpis (with their run day), and latest: one row per transaction."""
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    for name, table in (("final", "Final Aggregate Index"), ("kpis", "Merchant KPIs")):
        folder, pattern = TABLES[table]
        files = sorted(str(path) for path in (lake / folder).glob(pattern))
        if not files:
            raise SystemExit(f"report: no {table} below {lake / folder}; run batch_recon first")
        db.execute(f"""CREATE TABLE {name} AS SELECT * EXCLUDE (month), day AS run_day
            FROM read_parquet({files!r}, hive_partitioning = true, hive_types = {{'day': DATE, 'month': VARCHAR}})""")
    db.execute("CREATE TABLE latest AS FROM final QUALIFY row_number() OVER (PARTITION BY transaction_id ORDER BY run_day DESC) = 1")
    return db


def read_summaries(lake):
    """Run summaries, the Streaming Index first; keys that are missing stay missing."""
    found = []
    for path in [lake / "curated/streaming_index/_summary.json", *sorted(lake.glob("final/aggregate_index/month=*/day=*/_summary.json"))]:
        try:
            found.append(json.loads(path.read_text()))
        except FileNotFoundError:
            continue
        except ValueError as error:
            raise SystemExit(f"report: {path} is not JSON: {error}") from None
    return found


def reason_of(row):
    """The stable reason and the field; errors with their values would make a reason of nearly every record."""
    reason = str(row.get("reason") or row.get("error") or "no reason given").replace("_", " ")
    return f"{row['field']}: {reason}" if row.get("field") else re.sub(r"\s+", " ", reason)


def read_bad(lake):
    """Bad records by source and reason. A batch run reads earlier days again: each place counts once."""
    counts, seen = {}, set()
    for path in sorted(lake.glob("dlq/*/dt=*/*.jsonl")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                row = {"error": "unreadable dead letter"}
            source = row.get("source") or path.parts[-3]
            place = (source, row.get("file"), row.get("line"), row.get("partition"), row.get("offset"))
            if any(part is not None for part in place[1:]) and place in seen:
                continue
            seen.add(place)
            reasons = counts.setdefault(source, {})
            reason = reason_of(row)
            reasons[reason] = reasons.get(reason, 0) + 1
    return {source: sorted(reasons.items(), key=lambda item: (-item[1], item[0])) for source, reasons in sorted(counts.items())}


def read_tables(lake):
    rows = []
    for name, (folder, pattern) in TABLES.items():
        files = list((lake / folder).glob(pattern))
        rows.append((name, folder, len(files), sum(path.stat().st_size for path in files)))
    return rows


def load(lake):
    db = open_tables(lake)
    days = [day for (day,) in db.execute("SELECT DISTINCT run_day FROM final ORDER BY 1").fetchall()]
    by_day = {day: {} for day in days}
    for day, status, count in db.execute("SELECT run_day, reconciled_status, count(*) FROM final GROUP BY 1, 2").fetchall():
        by_day[day][status] = count
    views = [view(db, "total", "All run dates", "latest", f"run_day = DATE '{days[-1]}'")]
    for day in reversed(days):
        db.execute(f"CREATE OR REPLACE TEMP VIEW one_day AS FROM final WHERE run_day = DATE '{day}'")
        views.append(view(db, str(day), f"{day:%A}, {day.day} {day:%B %Y}", "one_day", f"run_day = DATE '{day}'"))
    return Report(lake, views, list(by_day.items()), read_summaries(lake), read_bad(lake), read_tables(lake))


def speed_rows(report):
    """(what, rows in, seconds, rows per second, memory) of each run; None where a summary does not say."""
    for summary in report.summaries:
        rows_in = summary.get("rows_in") or {}
        rows = sum(value for value in rows_in.values() if isinstance(value, (int, float))) if isinstance(rows_in, dict) else rows_in
        seconds = summary.get("duration_seconds")
        rate = summary.get("records_per_second") or (rows / seconds if rows and seconds else None)
        name = summary.get("topology", "run") + (f" {summary['run_date']}" if summary.get("run_date") else "")
        yield name, rows or None, seconds, rate, summary.get("peak_memory_bytes")


def generated_at(report):
    """The latest as-of of the runs, so that the same lake gives the same report."""
    stamps = [summary["as_of"] for summary in report.summaries if summary.get("as_of")]
    return max(stamps) if stamps else str(max(day for day, _ in report.days) if report.days else datetime.date.today())
