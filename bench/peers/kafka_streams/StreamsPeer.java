import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.TimestampedKeyValueStore;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;

/**
 * The benchmark's two jobs on Kafka Streams, as one who knows it would write them for speed: hand-written serdes (Jackson's
 * streaming parser in, a StringBuilder out, a ByteBuffer for the stores), no POJO mapping, large batches, no record caches in
 * front of join stores, null results as soon as a window closes instead of once a second, logging that costs nothing.
 *
 *     StreamsPeer join|stateless BROKERS APPLICATION STATE_DIR      output topic: $PEER_OUTPUT, key: $RECON_MASK_KEY
 *
 * Runs until SIGTERM.
 */
public final class StreamsPeer {
  static final JsonFactory JSON = new JsonFactory();
  static final Duration WINDOW = Duration.ofMinutes(10), GRACE = Duration.ofMinutes(1);

  record Transaction(String id, String merchant, String user, long amount, String currency, String status, String time) {}
  record Signal(double score) {}
  record Policy(String type, boolean active) {}
  record Row(Transaction transaction, Double score, String risk) {}

  // ---- topics ----

  interface Field {
    void take(String name, JsonParser parser) throws IOException;
  }

  static void read(byte[] bytes, Field field) {
    try (JsonParser parser = JSON.createParser(bytes)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) throw new IllegalArgumentException("not an object");
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String name = parser.currentName();
        parser.nextToken();
        field.take(name, parser);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Transaction transaction(byte[] bytes) {
    String[] f = new String[7];
    read(bytes, (name, parser) -> {
      switch (name) {
        case "transaction_id" -> f[0] = parser.getText();
        case "merchant_id" -> f[1] = parser.getText();
        case "user_id" -> f[2] = parser.getText();
        case "amount" -> f[3] = parser.getText();
        case "currency" -> f[4] = parser.getText();
        case "status" -> f[5] = parser.getText();
        case "timestamp" -> f[6] = parser.getText();
        default -> parser.skipChildren();
      }
    });
    for (String value : f) if (value == null) throw new IllegalArgumentException("a field is missing");
    return new Transaction(f[0], f[1], f[2], new BigDecimal(f[3]).setScale(4).unscaledValue().longValueExact(), f[4], f[5], f[6]);
  }

  static Signal signal(byte[] bytes) {
    double[] score = {Double.NaN};
    read(bytes, (name, parser) -> {
      if (name.equals("fraud_score")) score[0] = parser.getDoubleValue();
      else parser.skipChildren();
    });
    return new Signal(score[0]);
  }

  static Policy policy(byte[] bytes) {
    Object[] f = new Object[2];
    read(bytes, (name, parser) -> {
      switch (name) {
        case "policy_type" -> f[0] = parser.getText();
        case "active_flag" -> f[1] = parser.getBooleanValue();
        default -> parser.skipChildren();
      }
    });
    return new Policy((String) f[0], (Boolean) f[1]);
  }

  static String risk(byte[] bytes) {
    String[] risk = new String[1];
    read(bytes, (name, parser) -> {
      if (name.equals("risk_level")) risk[0] = parser.getText();
      else parser.skipChildren();
    });
    return risk[0];
  }

  static <T> Deserializer<T> in(java.util.function.Function<byte[], T> parse) {
    return (topic, bytes) -> bytes == null ? null : parse.apply(bytes);
  }

  static <T> Serde<T> only(Deserializer<T> in) {
    return Serdes.serdeFrom((topic, value) -> { throw new IllegalStateException("never written"); }, in);
  }

  // ---- stores: lengths and bytes ----

  static void put(ByteBuffer to, byte[] text) {
    to.putShort((short) text.length).put(text);
  }

  static String get(ByteBuffer from) {
    int n = from.getShort();
    String text = new String(from.array(), from.arrayOffset() + from.position(), n, StandardCharsets.UTF_8);
    from.position(from.position() + n);
    return text;
  }

  static final Serializer<Transaction> TRANSACTION_OUT = (topic, t) -> {
    if (t == null) return null;
    byte[][] f = {t.id.getBytes(StandardCharsets.UTF_8), t.merchant.getBytes(StandardCharsets.UTF_8), t.user.getBytes(StandardCharsets.UTF_8),
                  t.currency.getBytes(StandardCharsets.UTF_8), t.status.getBytes(StandardCharsets.UTF_8), t.time.getBytes(StandardCharsets.UTF_8)};
    int n = 8 + 2 * f.length;
    for (byte[] text : f) n += text.length;
    ByteBuffer to = ByteBuffer.allocate(n).putLong(t.amount);
    for (byte[] text : f) put(to, text);
    return to.array();
  };
  static final Deserializer<Transaction> TRANSACTION_IN = (topic, bytes) -> {
    if (bytes == null) return null;
    ByteBuffer from = ByteBuffer.wrap(bytes);
    long amount = from.getLong();
    return new Transaction(get(from), get(from), get(from), amount, get(from), get(from), get(from));
  };
  static final Serde<Transaction> TRANSACTION_STORED = Serdes.serdeFrom(TRANSACTION_OUT, TRANSACTION_IN);
  static final Serde<Signal> SIGNAL_STORED = Serdes.serdeFrom(
      (topic, s) -> s == null ? null : ByteBuffer.allocate(8).putDouble(s.score).array(),
      (topic, bytes) -> bytes == null ? null : new Signal(ByteBuffer.wrap(bytes).getDouble()));

  // ---- results ----

  static final ThreadLocal<Mac> MAC = ThreadLocal.withInitial(() -> {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(System.getenv("RECON_MASK_KEY").getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
      return mac;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  });

  static String token(String user) {
    byte[] hash = MAC.get().doFinal(user.getBytes(StandardCharsets.UTF_8));
    return "tok_" + HexFormat.of().formatHex(hash, 0, 16);
  }

  static void member(StringBuilder to, String name, String value) { // ids and codes: nothing to escape
    to.append(to.length() == 1 ? "\"" : ",\"").append(name).append("\":\"").append(value).append('"');
  }

  static StringBuilder common(Transaction t) {
    StringBuilder to = new StringBuilder(320).append('{');
    member(to, "transaction_id", t.id);
    member(to, "merchant_id", t.merchant);
    member(to, "user_token", token(t.user));
    member(to, "amount", BigDecimal.valueOf(t.amount, 4).toPlainString());
    member(to, "currency", t.currency);
    member(to, "status", t.status);
    return to;
  }

  /** Of a currency: four decimals, unscaled. */
  static final Map<String, Long> LIMITS = Map.of("USD", 100000000L, "EUR", 100000000L, "GBP", 85000000L, "JPY", 15000000000L);

  static byte[] encode(Row row, Policies policies) {
    Transaction t = row.transaction;
    StringBuilder to = common(t);
    to.append(",\"fraud_score\":").append(row.score).append(",\"enriched_flags\":["); // sorted
    int begin = to.length();
    if (policies.aml && row.score != null && row.score >= 0.8) to.append(",\"AML_PENDING\"");
    if (policies.kyc && "HIGH".equals(row.risk)) to.append(",\"KYC_REQUIRED\"");
    if (policies.limits && t.amount > LIMITS.getOrDefault(t.currency, Long.MAX_VALUE)) to.append(",\"REGIONAL_LIMIT_EXCEEDED\"");
    if (row.risk == null) to.append(",\"UNKNOWN_MERCHANT\"");
    if (to.length() > begin) to.deleteCharAt(begin);
    to.append("]");
    member(to, "event_time", t.time);
    return to.append('}').toString().getBytes(StandardCharsets.UTF_8);
  }

  /** Makes the rows. There are a few policies, so which kinds are active is looked up now and then, not for each row. */
  static final class Policies extends ContextualFixedKeyProcessor<String, Row, byte[]> {
    boolean kyc, aml, limits;

    @Override
    public void init(FixedKeyProcessorContext<String, byte[]> context) {
      super.init(context);
      context.schedule(Duration.ofMillis(100), PunctuationType.WALL_CLOCK_TIME, now -> look());
      look();
    }

    void look() {
      TimestampedKeyValueStore<String, Policy> store = context().getStateStore("policies-table");
      kyc = aml = limits = false;
      try (var all = store.all()) {
        while (all.hasNext()) {
          Policy policy = all.next().value.value();
          kyc |= policy.active && policy.type.equals("KYC");
          aml |= policy.active && policy.type.equals("AML");
          limits |= policy.active && policy.type.equals("REGIONAL_LIMIT");
        }
      }
    }

    @Override
    public void process(FixedKeyRecord<String, Row> record) {
      context().forward(record.withValue(encode(record.value(), this)));
    }
  }

  // ---- the jobs ----

  static StreamJoined<String, Transaction, Signal> stores() {
    return StreamJoined.with(Serdes.String(), TRANSACTION_STORED, SIGNAL_STORED)
        .withStoreName("signal-window").withName("signal-window")
        .withLoggingEnabled(Map.of(TopicConfig.RETENTION_MS_CONFIG, "-1")); // event times are old
  }

  static void join(StreamsBuilder builder) {
    KStream<String, Transaction> transactions = builder.stream("transactions", Consumed.with(Serdes.String(), only(in(StreamsPeer::transaction))));
    KStream<String, Signal> signals = builder.stream("signals", Consumed.with(Serdes.String(), only(in(StreamsPeer::signal))));
    GlobalKTable<String, String> merchants = builder.globalTable("merchants",
        Consumed.with(Serdes.String(), Serdes.serdeFrom((topic, risk) -> risk.getBytes(StandardCharsets.UTF_8), in(StreamsPeer::riskOf))),
        org.apache.kafka.streams.kstream.Materialized.as(Stores.inMemoryKeyValueStore("merchants-table")));
    builder.globalTable("policies", Consumed.with(Serdes.String(), Serdes.serdeFrom(StreamsPeer::policyStored, in(StreamsPeer::policyOf))),
        org.apache.kafka.streams.kstream.Materialized.as(Stores.inMemoryKeyValueStore("policies-table")));
    transactions.leftJoin(signals, (t, s) -> new Row(t, s == null ? null : s.score, null), JoinWindows.ofTimeDifferenceAndGrace(WINDOW, GRACE), stores())
        .leftJoin(merchants, (id, row) -> row.transaction.merchant, (row, risk) -> new Row(row.transaction, row.score, risk))
        .processValues(Policies::new)
        .to(System.getenv("PEER_OUTPUT"), Produced.with(Serdes.String(), Serdes.ByteArray()));
  }

  /** A merchant as its topic has it, or as the table keeps it. */
  static String riskOf(byte[] bytes) {
    return bytes[0] == '{' ? risk(bytes) : new String(bytes, StandardCharsets.UTF_8);
  }

  static byte[] policyStored(String topic, Policy policy) {
    return ((policy.active ? "+" : "-") + policy.type).getBytes(StandardCharsets.UTF_8);
  }

  /** The same for a policy. */
  static Policy policyOf(byte[] bytes) {
    return bytes[0] == '{' ? policy(bytes) : new Policy(new String(bytes, 1, bytes.length - 1, StandardCharsets.UTF_8), bytes[0] == '+');
  }

  static void stateless(StreamsBuilder builder) {
    builder.stream("transactions", Consumed.with(Serdes.String(), only(in(StreamsPeer::transaction))))
        .filter((id, t) -> !t.status.equals("DECLINED"))
        .mapValues(t -> {
          StringBuilder to = common(t);
          member(to, "event_time", t.time);
          return to.append('}').toString().getBytes(StandardCharsets.UTF_8);
        })
        .to(System.getenv("PEER_OUTPUT"), Produced.with(Serdes.String(), Serdes.ByteArray()));
  }

  /** One cache for all stores, write buffers that hold some seconds of records. */
  public static final class Rocks implements RocksDBConfigSetter {
    static final LRUCache CACHE = new LRUCache(64L << 20);

    @Override
    public void setConfig(String store, Options options, Map<String, Object> configs) {
      BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
      table.setBlockCache(CACHE);
      table.setCacheIndexAndFilterBlocks(true);
      options.setWriteBufferSize(16L << 20);
      options.setMaxWriteBufferNumber(3);
    }

    @Override
    public void close(String store, Options options) {}
  }

  static Properties properties(String brokers, String application, String state) {
    Properties p = new Properties();
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
    p.put(StreamsConfig.STATE_DIR_CONFIG, state);
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0); // nothing is read twice soon
    p.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10000);
    p.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
    p.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, Rocks.class);
    p.put(StreamsConfig.InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_OUTER_JOIN_SPURIOUS_RESULTS_FIX, 0L); // as soon as a window closes
    p.put(StreamsConfig.topicPrefix(TopicConfig.RETENTION_MS_CONFIG), "-1");
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5000);
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_BYTES_CONFIG), 16 << 20);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 20);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 64 << 20);
    return p;
  }

  public static void main(String[] args) throws InterruptedException {
    StreamsBuilder builder = new StreamsBuilder();
    if (args[0].equals("join")) join(builder);
    else stateless(builder);
    Properties properties = properties(args[1], args[2], args[3]);
    KafkaStreams streams = new KafkaStreams(builder.build(properties), properties);
    CountDownLatch stop = new CountDownLatch(1);
    streams.setUncaughtExceptionHandler(e -> {
      e.printStackTrace();
      Runtime.getRuntime().halt(1);
      return null;
    });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      streams.close(Duration.ofSeconds(20));
      stop.countDown();
    }));
    streams.start();
    stop.await();
  }
}
