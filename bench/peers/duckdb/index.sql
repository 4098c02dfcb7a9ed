-- JSON lines in, Streaming Index out, as one would write it for speed. Parameters: $transactions and $signals (globs),
-- $merchants, $policies, $inner_pad and $outer_pad (the mask key's HMAC blocks).
-- Broken lines are passed over (ignore_errors), not validated by the specification's rules: meant for clean lakes.

CREATE TEMP TABLE events AS
SELECT transaction_id, merchant_id, user_id, amount, currency, status, epoch_us("timestamp") AS us
FROM read_json($transactions, format = 'newline_delimited', ignore_errors = true, columns = {
  transaction_id: 'VARCHAR', merchant_id: 'VARCHAR', user_id: 'VARCHAR', amount: 'DECIMAL(18,4)', currency: 'VARCHAR',
  status: 'VARCHAR', "timestamp": 'TIMESTAMP'});

CREATE TEMP TABLE signals AS
SELECT transaction_id, fraud_score, epoch_us(inference_time) AS us
FROM read_json($signals, format = 'newline_delimited', ignore_errors = true, columns = {
  transaction_id: 'VARCHAR', fraud_score: 'DOUBLE', inference_time: 'TIMESTAMP'});

CREATE TEMP TABLE merchants AS
SELECT merchant_id, last(risk_level) AS risk_level
FROM read_json($merchants, format = 'newline_delimited', ignore_errors = true, columns = {merchant_id: 'VARCHAR', risk_level: 'VARCHAR'})
GROUP BY merchant_id;

CREATE TEMP TABLE active AS
SELECT coalesce(bool_or(policy_type = 'KYC'), false) AS kyc, coalesce(bool_or(policy_type = 'AML'), false) AS aml,
       coalesce(bool_or(policy_type = 'REGIONAL_LIMIT'), false) AS regional
FROM (SELECT policy_id, last(policy_type) AS policy_type, last(active_flag) AS active_flag
      FROM read_json($policies, format = 'newline_delimited', ignore_errors = true,
                     columns = {policy_id: 'VARCHAR', policy_type: 'VARCHAR', active_flag: 'BOOLEAN'})
      GROUP BY policy_id)
WHERE active_flag;

CREATE TEMP TABLE tokens AS
SELECT user_id, 'tok_' || left(sha256($outer_pad || unhex(sha256($inner_pad || encode(user_id)))), 32) AS user_token
FROM (SELECT DISTINCT user_id FROM events);

-- An event as one struct, so that the window carries one value and not six.
CREATE TEMP TABLE inputs AS
WITH firsts AS (SELECT transaction_id, min(us) AS first_us FROM events GROUP BY transaction_id)
SELECT transaction_id, us, 0 AS source, NULL::DOUBLE AS fraud_score,
       {merchant_id: merchant_id, user_token: user_token, amount: amount, currency: currency, status: status, us: us} AS event
FROM events JOIN tokens USING (user_id)
UNION ALL
SELECT transaction_id, s.us, 1, s.fraud_score, NULL
FROM signals s JOIN firsts USING (transaction_id) WHERE abs(s.us - first_us) <= 600000000;

CREATE TEMP TABLE changes AS
WITH states AS (
  SELECT transaction_id, us, source,
         last_value(event       IGNORE NULLS) OVER seen   AS event,     last_value(fraud_score IGNORE NULLS) OVER seen   AS fraud_score,
         last_value(event       IGNORE NULLS) OVER before AS old_event, last_value(fraud_score IGNORE NULLS) OVER before AS old_score
  FROM inputs
  WINDOW seen   AS (PARTITION BY transaction_id ORDER BY us, source ROWS UNBOUNDED PRECEDING),
         before AS (PARTITION BY transaction_id ORDER BY us, source ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
SELECT transaction_id, us, event, fraud_score, row_number() OVER (PARTITION BY transaction_id ORDER BY us, source) AS version
FROM states
WHERE event IS NOT NULL AND (old_event IS NULL OR event IS DISTINCT FROM old_event OR fraud_score IS DISTINCT FROM old_score);

CREATE TEMP TABLE streaming_index AS
SELECT transaction_id, event.merchant_id AS merchant_id, event.user_token AS user_token, event.amount AS amount,
       event.currency AS currency, event.status AS status, fraud_score,
       list_concat(
         CASE WHEN fraud_score >= 0.8::DOUBLE AND aml THEN ['AML_PENDING'] ELSE [] END,
         CASE WHEN risk_level = 'HIGH' AND kyc THEN ['KYC_REQUIRED'] ELSE [] END,
         CASE WHEN regional AND event.amount > CASE event.currency WHEN 'USD' THEN 10000 WHEN 'EUR' THEN 10000
                                               WHEN 'GBP' THEN 8500 WHEN 'JPY' THEN 1500000 END
              THEN ['REGIONAL_LIMIT_EXCEEDED'] ELSE [] END,
         CASE WHEN risk_level IS NULL THEN ['UNKNOWN_MERCHANT'] ELSE [] END)::VARCHAR[] AS enriched_flags,
       make_timestamp(event.us) AS event_time, make_timestamp(us) AS stream_ingest_time, version
FROM changes LEFT JOIN merchants ON merchants.merchant_id = changes.event.merchant_id CROSS JOIN active;
