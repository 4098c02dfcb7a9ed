-- The Streaming Index, from valid records: in_transactions, in_fraud_signals, in_merchants, in_policies.
-- Times are microseconds since 1970. The order of all records is (us, source, file, line).

CREATE TABLE merchants AS
SELECT merchant_id, arg_max(risk_level, (file, line)) AS risk_level FROM in_merchants GROUP BY merchant_id;

CREATE TABLE policies AS
SELECT policy_type, count(*) > 0 AS active
FROM (SELECT policy_id, arg_max(policy_type, (file, line)) AS policy_type, arg_max(active, (file, line)) AS active
      FROM in_policies GROUP BY policy_id)
WHERE active GROUP BY policy_type;

CREATE TABLE limits (currency VARCHAR, amount_limit DECIMAL(18,4));
INSERT INTO limits VALUES ('USD', 10000), ('EUR', 10000), ('GBP', 8500), ('JPY', 1500000);

-- Each input record of a transaction in order: its events, and the signals near its first event.
CREATE TABLE inputs AS
WITH firsts AS (SELECT transaction_id, min(us) AS first_us FROM in_transactions GROUP BY transaction_id)
SELECT transaction_id, us, 0 AS source, file, line, merchant_id, user_token,
       CAST(amount AS DECIMAL(18,4)) AS amount, currency, status, us AS event_us, NULL::DOUBLE AS fraud_score
FROM in_transactions
UNION ALL
SELECT s.transaction_id, s.us, 1, s.file, s.line, NULL, NULL, NULL, NULL, NULL, NULL, s.fraud_score
FROM in_fraud_signals s JOIN firsts f USING (transaction_id)
WHERE abs(s.us - f.first_us) <= 600000000;

-- What is known after each record. Records come in event-time order, so the latest event is the last one seen.
CREATE TABLE states AS
SELECT transaction_id, us, source, file, line,
       last_value(merchant_id IGNORE NULLS) OVER seen AS merchant_id,
       last_value(user_token  IGNORE NULLS) OVER seen AS user_token,
       last_value(amount      IGNORE NULLS) OVER seen AS amount,
       last_value(currency    IGNORE NULLS) OVER seen AS currency,
       last_value(status      IGNORE NULLS) OVER seen AS status,
       last_value(fraud_score IGNORE NULLS) OVER seen AS fraud_score,
       last_value(event_us    IGNORE NULLS) OVER seen AS event_us
FROM inputs
WINDOW seen AS (PARTITION BY transaction_id ORDER BY us, source, file, line
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW);

CREATE TABLE flagged AS
SELECT s.*,
       list_sort(list_filter([
         CASE WHEN m.risk_level = 'HIGH' AND EXISTS (FROM policies WHERE policy_type = 'KYC') THEN 'KYC_REQUIRED' END,
         CASE WHEN s.fraud_score >= 0.8::DOUBLE AND EXISTS (FROM policies WHERE policy_type = 'AML') THEN 'AML_PENDING' END,
         CASE WHEN s.amount > l.amount_limit AND EXISTS (FROM policies WHERE policy_type = 'REGIONAL_LIMIT')
              THEN 'REGIONAL_LIMIT_EXCEEDED' END,
         CASE WHEN m.merchant_id IS NULL THEN 'UNKNOWN_MERCHANT' END
       ], lambda flag: flag IS NOT NULL)) AS enriched_flags
FROM states s LEFT JOIN merchants m USING (merchant_id) LEFT JOIN limits l USING (currency)
WHERE s.event_us IS NOT NULL;  -- a signal before the first event shows nothing yet

CREATE TABLE streaming_index AS
WITH compared AS (
  SELECT *, lag(transaction_id) OVER step IS NULL
         OR merchant_id    IS DISTINCT FROM lag(merchant_id)    OVER step
         OR user_token     IS DISTINCT FROM lag(user_token)     OVER step
         OR amount         IS DISTINCT FROM lag(amount)         OVER step
         OR currency       IS DISTINCT FROM lag(currency)       OVER step
         OR status         IS DISTINCT FROM lag(status)         OVER step
         OR fraud_score    IS DISTINCT FROM lag(fraud_score)    OVER step
         OR enriched_flags IS DISTINCT FROM lag(enriched_flags) OVER step
         OR event_us       IS DISTINCT FROM lag(event_us)       OVER step AS changed
  FROM flagged WINDOW step AS (PARTITION BY transaction_id ORDER BY us, source, file, line))
SELECT transaction_id, merchant_id, user_token, amount, currency, status, fraud_score, enriched_flags,
       event_us AS event_time, us AS stream_ingest_time,
       row_number() OVER (PARTITION BY transaction_id ORDER BY us, source, file, line) AS version,
       event_us // 86400000000 AS day
FROM compared WHERE changed;
