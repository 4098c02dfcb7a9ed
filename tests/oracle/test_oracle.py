#!/usr/bin/env python3
"""The oracle against a lake small enough to reckon by hand: python tests/oracle/test_oracle.py"""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

import duckdb

import compare
import oracle
import records

DAY = "2026-03-01"


def event(txn, status, time, amount="10.00", **more):
    return {"transaction_id": txn, "merchant_id": "m1", "user_id": "u1", "amount": amount, "currency": "USD",
            "status": status, "timestamp": f"{DAY}T{time}Z", **more}


def signal(txn, score, time):
    return {"fraud_signal_id": "f", "transaction_id": txn, "fraud_score": score, "inference_time": f"{DAY}T{time}Z"}


EVENTS = [
    event("a_score_first", "APPROVED", "09:00:00"),
    event("b_tie", "APPROVED", "10:00:00"), event("b_tie", "DECLINED", "10:00:00"), event("b_tie", "DECLINED", "10:00:00"),
    event("c_bounds", "PENDING", "11:00:00"),
    event("d_newer_arrives_first", "REFUNDED", "12:05:00"), event("d_newer_arrives_first", "PENDING", "12:00:00"),
    event("e_over", "APPROVED", "13:00:00", amount="10000.0001"), event("f_at", "APPROVED", "13:00:00", amount="10000"),
    event("g_unknown", "APPROVED", "14:00:00", merchant_id="m9"),
    event("h_chargeback", "APPROVED", "15:00:00"), event("i_short", "APPROVED", "15:00:00"),
]
SIGNALS = [
    signal("a_score_first", 0.1, "08:59:58"), signal("a_score_first", 0.8, "08:59:59"),
    signal("c_bounds", 0.2, "11:10:00"), signal("c_bounds", 0.99, "11:10:00.000001"), signal("c_bounds", 0.3, "10:49:59.999999"),
    signal("nobody", 0.5, "09:00:00"),
]
STATEMENTS = '''amount_posted,statement_id,transaction_id,posting_date,fee_charged
10.00,s1,a_score_first,2026-03-01,
"10.00",s1,a_score_first,2026-03-01,0.10
10,s2,c_bounds,2026-03-01,0
10.00,s3,h_chargeback,2026-03-01,
-10.00,s4,h_chargeback,2026-03-01,
9.99,s5,i_short,2026-02-25,
9.99,s6,i_short,2026-02-26,
5.00,"s7,""x""",ghost,2026-03-01,
12.34567,s8,ghost,2026-03-01,
'''


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def write_lake(root):
    lines = lambda rows: "".join(json.dumps(row) + "\n" for row in rows)
    write(root, f"raw/transactions/dt={DAY}/a.jsonl", lines(EVENTS))
    write(root, f"raw/fraud_signals/dt={DAY}/a.jsonl", lines(SIGNALS))
    write(root, f"raw/statements/dt={DAY}/a.csv", STATEMENTS)
    write(root, "reference/merchants/a.jsonl", lines([{"merchant_id": "m1", "risk_level": "LOW"}, {"merchant_id": "m1", "risk_level": "HIGH"}]))
    write(root, "reference/policies/a.jsonl", lines([
        {"policy_id": "p1", "policy_type": "KYC", "active_flag": True}, {"policy_id": "p2", "policy_type": "AML", "active_flag": True},
        {"policy_id": "p3", "policy_type": "REGIONAL_LIMIT", "active_flag": True}, {"policy_id": "p1", "policy_type": "KYC", "active_flag": False}]))
    write(root, "key", "secret\n")


def run(main, *argv):
    with mock.patch.object(sys, "argv", ["", *map(str, argv)]), contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            main()
        except SystemExit as stop:
            return stop.code, out.getvalue()
    return 0, out.getvalue()


class OracleTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.root = pathlib.Path(cls.folder.name)
        write_lake(cls.root)
        run(oracle.main, "--lake", cls.root, "--out", cls.root / "out", "--date", DAY, "--key-file", cls.root / "key", "--jobs", 1)
        cls.db = duckdb.connect()

    def rows(self, table, columns, where="true"):
        return self.db.execute(f"SELECT {columns} FROM '{self.root}/out/{table}/**/*.parquet' WHERE {where} ORDER BY ALL").fetchall()

    def index(self, txn):
        return self.rows("curated/streaming_index", "version, status, fraud_score, enriched_flags", f"transaction_id = '{txn}'")

    def test_first_row_carries_the_latest_earlier_score(self):
        self.assertEqual(self.index("a_score_first"), [(1, "APPROVED", 0.8, ["AML_PENDING"])])

    def test_equal_times_keep_file_order_and_repeats_emit_nothing(self):
        self.assertEqual(self.index("b_tie"), [(1, "APPROVED", None, []), (2, "DECLINED", None, [])])

    def test_window_is_closed_to_the_microsecond(self):
        self.assertEqual(self.index("c_bounds"), [(1, "PENDING", None, []), (2, "PENDING", 0.2, [])])

    def test_event_time_orders_what_arrived_out_of_order(self):
        self.assertEqual([row[1] for row in self.index("d_newer_arrives_first")], ["PENDING", "REFUNDED"])

    def test_limit_is_exceeded_only_above_it(self):
        self.assertEqual(self.index("e_over")[0][3], ["REGIONAL_LIMIT_EXCEEDED"])
        self.assertEqual(self.index("f_at")[0][3], [])

    def test_flags_follow_the_last_reference_rows(self):
        self.assertEqual(self.index("g_unknown")[0][3], ["UNKNOWN_MERCHANT"])

    def test_reconciliation(self):
        rows = self.rows("final/aggregate_index", "transaction_id, status, amount_posted::VARCHAR, discrepancy::VARCHAR, reconciled_status, reason")
        self.assertEqual({row[0]: row[1:] for row in rows}, {
            "a_score_first": ("APPROVED", "10.0000", "0.0000", "MATCHED", None),
            "b_tie": ("DECLINED", None, "0.0000", "MATCHED", None),
            "c_bounds": ("APPROVED", "10.0000", "0.0000", "MATCHED", None),
            "d_newer_arrives_first": ("REFUNDED", None, "0.0000", "MATCHED", None),
            "e_over": ("APPROVED", None, "10000.0001", "UNMATCHED", "MISSING_STATEMENT"),
            "f_at": ("APPROVED", None, "10000.0000", "UNMATCHED", "MISSING_STATEMENT"),
            "g_unknown": ("APPROVED", None, "10.0000", "UNMATCHED", "MISSING_STATEMENT"),
            "h_chargeback": ("REFUNDED", "0.0000", "0.0000", "MATCHED", None),
            "i_short": ("APPROVED", "9.9900", "0.0100", "PARTIAL", "UNDERPAID"),
            "ghost": ("APPROVED", "5.0000", "-5.0000", "UNMATCHED", "MISSING_TRANSACTION")})

    def test_kpis_count_chargebacks_once(self):
        rows = self.rows("final/merchant_kpis", "merchant_id, transaction_count, total_volume::VARCHAR, refund_count, chargeback_count, unmatched_count")
        self.assertEqual(rows, [("m1", 8, "20050.0001", 2, 1, 2), ("m9", 1, "10.0000", 0, 0, 1)])

    def test_token_is_the_keyed_hash(self):
        token = self.rows("curated/streaming_index", "DISTINCT user_token")[0][0]
        self.assertEqual(token, records.Tokens(b"secret").of("u1"))
        self.assertRegex(token, r"^tok_[0-9a-f]{32}$")

    def test_bad_records_are_listed(self):
        bad = json.loads((self.root / f"out/dlq/statements/dt={DAY}/part-00000.jsonl").read_text())
        self.assertEqual((bad["line"], bad["error"]), (10, "amount_posted does not fit decimal(18,4)"))

    def test_compare_sees_one_changed_value_and_one_missing_row(self):
        run(oracle.main, "--lake", self.root, "--out", self.root / "other", "--date", DAY, "--key-file", self.root / "key", "--jobs", 1)
        same = run(compare.main, "--lake", self.root / "other", "--oracle", self.root / "out")
        self.assertEqual(same[0], 0, same[1])
        file = f"{self.root}/other/final/aggregate_index/month=2026-03/day={DAY}/part-00000.parquet"
        self.db.execute(f"CREATE OR REPLACE TABLE t AS FROM read_parquet('{file}', hive_partitioning = false) WHERE transaction_id <> 'b_tie'")
        self.db.execute("UPDATE t SET discrepancy = 0.0001 WHERE transaction_id = 'a_score_first'")
        self.db.execute(f"COPY (FROM t ORDER BY transaction_id) TO '{file}'")
        code, text = run(compare.main, "--lake", self.root / "other", "--oracle", self.root / "out")
        self.assertEqual(code, 1)
        self.assertIn("2 rows differ", text)
        self.assertIn("only in the oracle", text)
        self.assertRegex(text, r"\* discrepancy +lake 0.0001 +oracle 0.0000")


class LineTest(unittest.TestCase):
    def bad(self, source, line):
        reader = records.SOURCES[source][1]
        with self.assertRaises(records.Bad, msg=line):
            reader(records.parse_json(line.encode("utf-8", "surrogateescape")), records.Tokens(b"k"))

    def test_amounts_keep_their_text(self):
        for text, want in [('"12.50"', "12.50"), ("12.5", "12.5"), ("99999999999999.9999", "99999999999999.9999"), ("0", "0"), ("1e2", "100.0000"),
                           ("1.5E-2", "0.0150"), ('"-12.5e+3"', "-12500.0000"), ("10000e-4", "1.0000"), ("0e999999999999", "0"),
                           ("99999999999999.9999e0", "99999999999999.9999"), ("1e13", "10000000000000.0000")]:
            row = records.parse_json(b'{"amount":%s}' % text.encode())
            self.assertEqual(records.decimal_text(str(row["amount"]), "amount"), want)

    def test_bad_transactions(self):
        good = json.dumps(event("t", "PENDING", "09:00:00"))
        self.assertEqual(records.transaction(records.parse_json(good.encode()), records.Tokens(b"k"))[0], "t")
        for old, new in [('"10.00"', "1e-5"), ('"10.00"', '"1e14"'), ('"10.00"', "1e999999999"), ('"10.00"', '"1e"'), ('"10.00"', "12.34567"), ('"10.00"', '"123456789012345"'), ('"10.00"', "-1"),
                         ('"10.00"', "true"), ('"10.00"', "NaN"), ('"10.00"', '"12."'), ('"10.00"', '""'), ('"USD"', '"usd"'), ('"t"', '""'), ('"t"', "7"), ('"u1"', "null"),
                         ("PENDING", "pending"), ("09:00:00Z", "09:00:00"), ("09:00:00Z", "24:00:00Z"), ("09:00:00Z", "09:00:00.1234567Z"), ("09:00:00Z", "09:00:00+02:00"),
                         ("2026-03-01T", "2026-02-29T"), ("2026-03-01T", "2026-03-01 "), ("}", ""), ('"t"', '"\udcff"'), ('"user_id"', '"user"')]:
            self.bad("transactions", good.replace(old, new))

    def test_bad_others(self):
        self.bad("fraud_signals", json.dumps(signal("t", 1.5, "09:00:00")))
        self.bad("fraud_signals", json.dumps(signal("t", "0.5", "09:00:00")))
        self.bad("merchants", '{"merchant_id":"m","risk_level":"LOW","onboarding_date":"2026-02-30"}')
        self.bad("policies", '{"policy_id":"p","policy_type":"KYC","active_flag":"true"}')
        self.bad("policies", "[]")

    def test_csv_quotes(self):
        self.assertEqual(records.csv_fields(b'a,"b ""c"", d",,'), ["a", 'b "c", d', "", ""])
        for raw in [b'a,"b', b'a,"b"c', b'a,b"c"', b'\xff']:
            with self.assertRaises(records.Bad, msg=raw):
                records.csv_fields(raw)


if __name__ == "__main__":
    unittest.main()
