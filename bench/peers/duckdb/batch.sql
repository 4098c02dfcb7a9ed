-- One run date: Streaming Index Parquet and statement CSVs in; batch, final and KPI rows out.
-- Parameters: $index (files), $csv (the statement files as a query, by kind of header), $date, $first (date minus
-- lookback), $as_of. Written for tolerance 0 and gross postings.

CREATE OR REPLACE TEMP TABLE merged AS
WITH known AS (
  SELECT transaction_id, arg_max({merchant_id: merchant_id, amount: amount, currency: currency, status: status,
                                  fraud_score: fraud_score, flags: enriched_flags}, version) AS now
  FROM read_parquet($index, hive_partitioning = false) GROUP BY transaction_id),
posted AS (
  SELECT transaction_id, sum(amount_posted)::DECIMAL(38,4) AS amount_posted
  FROM (SELECT statement_id, first(transaction_id) AS transaction_id, first(posting_date) AS posting_date, first(amount_posted) AS amount_posted
        FROM ($csv)
        GROUP BY statement_id)
  WHERE posting_date BETWEEN $first AND $date GROUP BY transaction_id),
met AS (
  SELECT coalesce(k.transaction_id, p.transaction_id) AS transaction_id, k.now, p.amount_posted, k.now.status AS gateway_status,
         CASE WHEN p.transaction_id IS NULL THEN 'MISSING' WHEN p.amount_posted <= 0 THEN 'REVERSED' ELSE 'POSTED' END AS bank_status
  FROM known k FULL OUTER JOIN posted p ON k.transaction_id = p.transaction_id),
settled AS (
  SELECT *, CASE WHEN bank_status = 'POSTED' AND (gateway_status IS NULL OR gateway_status = 'PENDING') THEN 'APPROVED'
                 WHEN bank_status = 'REVERSED' AND (gateway_status IS NULL OR gateway_status = 'APPROVED') THEN 'REFUNDED'
                 ELSE gateway_status END AS status
  FROM met),
weighed AS (
  SELECT *, (CASE WHEN status = 'APPROVED' AND now IS NOT NULL THEN now.amount ELSE 0 END - coalesce(amount_posted, 0))::DECIMAL(38,4) AS discrepancy
  FROM settled)
SELECT *, CASE WHEN discrepancy = 0 THEN 'MATCHED' WHEN amount_posted IS NULL OR now IS NULL THEN 'UNMATCHED' ELSE 'PARTIAL' END AS reconciled_status,
       CASE WHEN discrepancy = 0 THEN NULL WHEN amount_posted IS NULL THEN 'MISSING_STATEMENT' WHEN now IS NULL THEN 'MISSING_TRANSACTION'
            WHEN discrepancy > 0 THEN 'UNDERPAID' ELSE 'OVERPAID' END AS reason,
       CASE WHEN now.fraud_score >= 0.9::DOUBLE OR (now.fraud_score >= 0.7::DOUBLE AND len(now.flags) > 0) THEN 'HIGH'
            WHEN now.fraud_score >= 0.5::DOUBLE OR len(now.flags) > 0 THEN 'MEDIUM' ELSE 'LOW' END AS risk_assessment
FROM weighed;

CREATE OR REPLACE TEMP VIEW batch_index AS
SELECT transaction_id, reconciled_status, amount_posted, discrepancy, reason, $date AS batch_run_date
FROM merged ORDER BY transaction_id;

CREATE OR REPLACE TEMP VIEW aggregate_index AS
SELECT transaction_id, now.merchant_id AS merchant_id, status, now.fraud_score AS fraud_score, discrepancy,
       coalesce(now.flags, []) AS policy_flags, $as_of AS reconciliation_timestamp, now.amount AS amount, now.currency AS currency,
       amount_posted, reconciled_status, reason, risk_assessment
FROM merged ORDER BY transaction_id;

CREATE OR REPLACE TEMP VIEW merchant_kpis AS
SELECT now.merchant_id AS merchant_id, now.currency AS currency, count(*) AS transaction_count,
       coalesce(sum(now.amount) FILTER (status IN ('APPROVED', 'REFUNDED')), 0)::DECIMAL(38,4) AS total_volume,
       count(*) FILTER (status = 'REFUNDED') AS refund_count,
       coalesce(sum(now.amount) FILTER (status = 'REFUNDED'), 0)::DECIMAL(38,4) AS refund_volume,
       count(*) FILTER (bank_status = 'REVERSED' AND gateway_status = 'APPROVED') AS chargeback_count,
       coalesce(sum(now.amount) FILTER (bank_status = 'REVERSED' AND gateway_status = 'APPROVED'), 0)::DECIMAL(38,4) AS chargeback_volume,
       count(*) FILTER (reconciled_status = 'UNMATCHED') AS unmatched_count,
       sum(discrepancy)::DECIMAL(38,4) AS discrepancy_sum, $date AS run_date
FROM merged WHERE now IS NOT NULL GROUP BY ALL ORDER BY 1, 2;
