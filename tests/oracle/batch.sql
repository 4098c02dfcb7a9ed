-- One run: the Batch Index, the Final Aggregate Index and the merchant KPIs of run day $day (days since 1970),
-- from streaming_index and in_statements (with file_day, the dt of the file).

CREATE OR REPLACE TEMP TABLE known AS
SELECT * FROM streaming_index WHERE day BETWEEN $day - $lookback AND $day
QUALIFY row_number() OVER (PARTITION BY transaction_id ORDER BY version DESC) = 1;

CREATE OR REPLACE TEMP TABLE posted AS
WITH once AS (
  SELECT * FROM in_statements WHERE file_day BETWEEN $day - $lookback AND $day
  QUALIFY row_number() OVER (PARTITION BY statement_id ORDER BY file, line) = 1)
SELECT transaction_id,
       CAST(sum(CAST(amount_posted AS DECIMAL(38,4))
                + CASE WHEN $net_of_fees THEN coalesce(CAST(fee_charged AS DECIMAL(38,4)), 0) ELSE 0 END)
            AS DECIMAL(38,4)) AS amount_posted
FROM once WHERE posting_day BETWEEN $day - $lookback AND $day GROUP BY transaction_id;

CREATE OR REPLACE TEMP TABLE merged AS
WITH met AS (
  SELECT coalesce(k.transaction_id, p.transaction_id) AS transaction_id, k.transaction_id IS NOT NULL AS is_known,
         k.merchant_id, k.amount, k.currency, k.status AS gateway_status, k.fraud_score,
         coalesce(k.enriched_flags, []::VARCHAR[]) AS policy_flags, p.amount_posted,
         CASE WHEN p.transaction_id IS NULL THEN 'MISSING' WHEN p.amount_posted <= 0 THEN 'REVERSED' ELSE 'POSTED' END AS bank_status
  FROM known k FULL OUTER JOIN posted p ON k.transaction_id = p.transaction_id),
settled AS (
  SELECT *, CASE WHEN gateway_status = 'PENDING'  AND bank_status = 'POSTED'   THEN 'APPROVED'
                 WHEN gateway_status = 'APPROVED' AND bank_status = 'REVERSED' THEN 'REFUNDED'
                 WHEN gateway_status IS NULL      AND bank_status = 'POSTED'   THEN 'APPROVED'
                 WHEN gateway_status IS NULL      AND bank_status = 'REVERSED' THEN 'REFUNDED'
                 ELSE gateway_status END AS status
  FROM met),
weighed AS (
  SELECT *, CAST(CASE WHEN status = 'APPROVED' AND is_known THEN amount ELSE 0 END AS DECIMAL(38,4))
            - coalesce(amount_posted, 0) AS difference
  FROM settled)
SELECT *, CAST(difference AS DECIMAL(38,4)) AS discrepancy,
       CASE WHEN abs(difference) <= CAST($tolerance AS DECIMAL(18,4)) THEN 'MATCHED'
            WHEN bank_status = 'MISSING' OR NOT is_known THEN 'UNMATCHED' ELSE 'PARTIAL' END AS reconciled_status,
       CASE WHEN abs(difference) <= CAST($tolerance AS DECIMAL(18,4)) THEN NULL
            WHEN bank_status = 'MISSING' THEN 'MISSING_STATEMENT' WHEN NOT is_known THEN 'MISSING_TRANSACTION'
            WHEN difference > 0 THEN 'UNDERPAID' ELSE 'OVERPAID' END AS reason,
       CASE WHEN fraud_score >= 0.9::DOUBLE OR (fraud_score >= 0.7::DOUBLE AND len(policy_flags) > 0) THEN 'HIGH'
            WHEN fraud_score >= 0.5::DOUBLE OR len(policy_flags) > 0 THEN 'MEDIUM' ELSE 'LOW' END AS risk_assessment
FROM weighed;

CREATE OR REPLACE TEMP TABLE batch_index AS
SELECT transaction_id, reconciled_status, amount_posted, discrepancy, reason, $day AS batch_run_date FROM merged;

CREATE OR REPLACE TEMP TABLE aggregate_index AS
SELECT transaction_id, merchant_id, status, fraud_score, discrepancy, policy_flags, $as_of AS reconciliation_timestamp,
       amount, currency, amount_posted, reconciled_status, reason, risk_assessment FROM merged;

CREATE OR REPLACE TEMP TABLE merchant_kpis AS
SELECT merchant_id, currency, count(*) AS transaction_count,
       coalesce(sum(amount) FILTER (status IN ('APPROVED', 'REFUNDED')), 0) AS total_volume,
       count(*) FILTER (status = 'REFUNDED') AS refund_count,
       coalesce(sum(amount) FILTER (status = 'REFUNDED'), 0) AS refund_volume,
       count(*) FILTER (bank_status = 'REVERSED' AND gateway_status = 'APPROVED') AS chargeback_count,
       coalesce(sum(amount) FILTER (bank_status = 'REVERSED' AND gateway_status = 'APPROVED'), 0) AS chargeback_volume,
       count(*) FILTER (reconciled_status = 'UNMATCHED') AS unmatched_count,
       sum(discrepancy) AS discrepancy_sum, $day AS run_date
FROM merged WHERE is_known GROUP BY merchant_id, currency;
