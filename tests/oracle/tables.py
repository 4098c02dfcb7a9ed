"""The four tables: their columns and types, where they lie in a lake, and by what a row is known."""

import pyarrow as pa

MONEY, SUM = pa.decimal128(18, 4), pa.decimal128(38, 4)
TIME, TEXT, COUNT = pa.timestamp("us", "UTC"), pa.string(), pa.int64()
FLAGS = pa.list_(pa.string())

SCHEMAS = {
    "streaming_index": pa.schema([
        ("transaction_id", TEXT), ("merchant_id", TEXT), ("user_token", TEXT), ("amount", MONEY), ("currency", TEXT),
        ("status", TEXT), ("fraud_score", pa.float64()), ("enriched_flags", FLAGS), ("event_time", TIME),
        ("stream_ingest_time", TIME), ("version", COUNT)]),
    "batch_index": pa.schema([
        ("transaction_id", TEXT), ("reconciled_status", TEXT), ("amount_posted", SUM), ("discrepancy", SUM),
        ("reason", TEXT), ("batch_run_date", pa.date32())]),
    "aggregate_index": pa.schema([
        ("transaction_id", TEXT), ("merchant_id", TEXT), ("status", TEXT), ("fraud_score", pa.float64()),
        ("discrepancy", SUM), ("policy_flags", FLAGS), ("reconciliation_timestamp", TIME), ("amount", MONEY),
        ("currency", TEXT), ("amount_posted", SUM), ("reconciled_status", TEXT), ("reason", TEXT),
        ("risk_assessment", TEXT)]),
    "merchant_kpis": pa.schema([
        ("merchant_id", TEXT), ("currency", TEXT), ("transaction_count", COUNT), ("total_volume", SUM),
        ("refund_count", COUNT), ("refund_volume", SUM), ("chargeback_count", COUNT), ("chargeback_volume", SUM),
        ("unmatched_count", COUNT), ("discrepancy_sum", SUM), ("run_date", pa.date32())]),
}
PATHS = {"streaming_index": "curated/streaming_index", "batch_index": "curated/batch_index",
         "aggregate_index": "final/aggregate_index", "merchant_kpis": "final/merchant_kpis"}
KEYS = {"streaming_index": ["transaction_id", "version"], "batch_index": ["transaction_id"],
        "aggregate_index": ["transaction_id"], "merchant_kpis": ["merchant_id", "currency"]}


def partition(table, date):
    """The folder of a date's rows, below the lake's root."""
    if table == "streaming_index":
        return f"{PATHS[table]}/dt={date}"
    return f"{PATHS[table]}/month={date:%Y-%m}/day={date}"
