#!/usr/bin/env python3
"""The four tables of a lake with every kind of defect equal the oracle's, row for row; dead letters by file and line too.

The run's own summaries are checked for conservation: records per step, and value per currency from the raw files to the
reconciled statuses. ORACLE_TRANSACTIONS sets the size (default 200000 over 3 days).
"""

import datetime
import decimal
import json
import os
import pathlib
import sys
import tempfile

import duckdb

import recon

N = int(os.environ.get("ORACLE_TRANSACTIONS", "200000"))


def check_summary(name, text):
    summary = json.loads(text.strip().splitlines()[-1])
    broken = [step for step in summary["steps"] if step["in"] != step["taken"] + step["filtered"] + step["late"] + step["dead"]]
    if broken or summary["conservation"] is not True:
        sys.exit(f"{name}: records are lost or doubled in {broken}")
    return summary


def check_value(lake, date, summary):
    """Per currency: the amounts of the run's known transactions = matched + partial + unmatched of the final index."""
    final = f"{lake}/final/aggregate_index/month={date[:7]}/day={date}/*.parquet"
    first = str(datetime.date.fromisoformat(date) - datetime.timedelta(3))
    rows = duckdb.sql(f"""
        WITH current AS (
          SELECT transaction_id, arg_max(currency, version) AS currency, arg_max(amount, version) AS amount
          FROM read_parquet('{lake}/curated/streaming_index/*/*.parquet', hive_partitioning = true)
          WHERE dt BETWEEN '{first}' AND '{date}' GROUP BY 1),
        came AS (SELECT currency, sum(amount) AS value, count(*) AS n FROM current GROUP BY 1),
        went AS (SELECT currency,
                        sum(amount) FILTER (reconciled_status = 'MATCHED') AS matched,
                        sum(amount) FILTER (reconciled_status = 'PARTIAL') AS partial,
                        sum(amount) FILTER (reconciled_status = 'UNMATCHED') AS unmatched, count(*) AS n
                 FROM read_parquet('{final}') WHERE currency IS NOT NULL GROUP BY 1)
        SELECT currency, came.value, coalesce(matched, 0) + coalesce(partial, 0) + coalesce(unmatched, 0), came.n, went.n
        FROM came FULL JOIN went USING (currency)""").fetchall()
    wrong = [row for row in rows if row[1] != row[2] or row[3] != row[4]]
    if wrong or len(rows) < 4:
        sys.exit(f"{date}: value is not conserved: {wrong or rows}")
    told = {currency: (value["in"], value["left_out"], sum(map(decimal.Decimal, value["out"].values())))
            for currency, value in summary["value"]["final_index"].items() if currency}
    real = {currency: (str(came), "0.0000", came) for currency, came, *_ in rows}
    if told != real or not all(set(value["out"]) <= {"MATCHED", "PARTIAL", "UNMATCHED"} for value in summary["value"]["final_index"].values()):
        sys.exit(f"{date}: the summary tells other values: {told}, {real}")
    stored = json.loads(pathlib.Path(lake, f"final/aggregate_index/month={date[:7]}/day={date}/_summary.json").read_text())
    if stored["value"] != summary["value"]:
        sys.exit(f"{date}: _summary.json tells other values: {stored['value']}")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        lake, oracle = pathlib.Path(scratch, "lake"), pathlib.Path(scratch, "oracle")
        key = pathlib.Path(scratch, "key")
        key.write_text(recon.KEY)
        recon.make_lake(lake, N)
        check_summary("streaming_index", recon.index(lake).stdout)
        for date in recon.dates(3):
            check_value(lake, date, check_summary(date, recon.batch(lake, date).stdout))
        python, days = sys.executable, recon.dates(3)
        recon.run(python, recon.SOURCE / "tests/oracle/oracle.py", "--lake", lake, "--out", oracle, "--date", f"{days[0]}..{days[-1]}",
                  "--key-file", key)
        done = recon.run(python, recon.SOURCE / "tests/oracle/compare.py", "--lake", lake, "--oracle", oracle, "--dlq", check=False)
        print(done.stdout, done.stderr)
        print("0 passed, 1 failed" if done.returncode else "1 passed, 0 failed")
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
