import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Properties;
import java.util.stream.Stream;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindowedKStream;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.ValueJoiner;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.test.TestRecord;

/**
 * Kafka Streams' side of it_conformance.py: one case a line in, its results a line out, all in one process. Kafka Streams'
 * own driver processes each record as it is piped in. A case is
 *
 *   {"kind": ..., its parameters, "rows": [[source, key, ts, value], ...]}    times in milliseconds; values are texts
 *
 * and a row of source "clock" moves the wall clock by its ts. The answer: [[row that caused it, key, value, ts], ...].
 */
public final class KafkaStreamsSide {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final ValueJoiner<String, String, String> PAIR = (left, right) -> left + "," + right;

  private static Path folder;

  public static void main(String[] args) throws Exception {
    folder = Path.of(args[0]);
    PrintStream out = new PrintStream(System.out, false, "UTF-8");
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JsonNode asked = JSON.readTree(line);
      out.println(JSON.writeValueAsString(asked.get("kind").asText().equals("restart") ? restarted() : results(asked)));
    }
    out.flush();
  }

  private static Properties settings(JsonNode asked) {
    Properties config = new Properties();
    config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
    config.put(StreamsConfig.STATE_DIR_CONFIG, folder.resolve("state").toString());
    if (asked.get("store").asText().equals("memory")) {
      config.put(StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG, "org.apache.kafka.streams.state.BuiltInDslStoreSuppliers$InMemoryDslStoreSuppliers");
    }
    if (asked.has("throttle")) { // the test driver sets it to 0, an application has 1000
      config.put("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", asked.get("throttle").asLong());
    }
    return config;
  }

  private static ArrayNode results(JsonNode asked) {
    ArrayNode results = JSON.createArrayNode();
    StreamsBuilder builder = new StreamsBuilder();
    build(builder, asked);
    try (TopologyTestDriver driver = new TopologyTestDriver(builder.build(), settings(asked))) {
      TestInputTopic<String, String> left = driver.createInputTopic("l", new StringSerializer(), new StringSerializer());
      boolean two = !asked.get("kind").asText().equals("aggregate");
      TestInputTopic<String, String> right = two ? driver.createInputTopic("r", new StringSerializer(), new StringSerializer()) : null;
      TestOutputTopic<String, String> to = driver.createOutputTopic("out", new StringDeserializer(), new StringDeserializer());
      int index = 0;
      for (JsonNode row : asked.get("rows")) {
        String source = row.get(0).asText();
        if (source.equals("clock")) {
          driver.advanceWallClockTime(Duration.ofMillis(row.get(2).asLong()));
        } else {
          (source.equals("l") ? left : right).pipeInput(text(row.get(1)), text(row.get(3)), row.get(2).asLong());
        }
        for (TestRecord<String, String> record : to.readRecordsToList()) {
          results.addArray().add(index).add(record.key()).add(record.value()).add(record.timestamp());
        }
        index++;
      }
    }
    return results;
  }

  private static String text(JsonNode node) {
    return node.isNull() ? null : node.asText();
  }

  private static void build(StreamsBuilder builder, JsonNode asked) {
    switch (asked.get("kind").asText()) {
      case "stream_stream": streamStream(builder, asked); break;
      case "aggregate": aggregate(builder, asked); break;
      case "stream_table": streamTable(builder, asked); break;
      case "table_table": tableTable(builder, asked); break;
      default: throw new IllegalArgumentException(asked.get("kind").asText());
    }
  }

  private static void streamStream(StreamsBuilder builder, JsonNode asked) {
    KStream<String, String> left = builder.stream("l"), right = builder.stream("r");
    JoinWindows windows = JoinWindows.ofTimeDifferenceAndGrace(Duration.ofMillis(asked.get("after").asLong()), Duration.ofMillis(asked.get("grace").asLong()))
        .before(Duration.ofMillis(asked.get("before").asLong()));
    StreamJoined<String, String, String> as = StreamJoined.as("j");
    switch (asked.get("type").asText()) {
      case "inner": left.join(right, PAIR, windows, as).to("out"); break;
      case "left": left.leftJoin(right, PAIR, windows, as).to("out"); break;
      default: left.outerJoin(right, PAIR, windows, as).to("out");
    }
  }

  /** Result: "rows,sum,last value"; key: "key@start of the window". */
  private static void aggregate(StreamsBuilder builder, JsonNode asked) {
    TimeWindowedKStream<String, String> grouped = builder.<String, String>stream("l").groupByKey().windowedBy(
        TimeWindows.ofSizeAndGrace(Duration.ofMillis(asked.get("size").asLong()), Duration.ofMillis(asked.get("grace").asLong())));
    String emit = asked.get("emit").asText();
    if (emit.equals("on_window_close")) grouped = grouped.emitStrategy(EmitStrategy.onWindowClose());
    KTable<Windowed<String>, String> table = grouped.aggregate(() -> "0,0,", KafkaStreamsSide::add,
        Materialized.<String, String, WindowStore<Bytes, byte[]>>as("a").withKeySerde(Serdes.String()).withValueSerde(Serdes.String()));
    if (emit.equals("suppressed")) table = table.suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()));
    table.toStream((key, value) -> key.key() + "@" + key.window().start()).to("out");
  }

  private static String add(String key, String value, String sums) {
    String[] parts = sums.split(",", -1);
    return (Long.parseLong(parts[0]) + 1) + "," + (Long.parseLong(parts[1]) + Long.parseLong(value)) + "," + value;
  }

  private static void streamTable(StreamsBuilder builder, JsonNode asked) {
    KStream<String, String> stream = builder.stream("l");
    KTable<String, String> table = builder.table("r");
    (asked.get("type").asText().equals("inner") ? stream.join(table, PAIR) : stream.leftJoin(table, PAIR)).to("out");
  }

  private static void tableTable(StreamsBuilder builder, JsonNode asked) {
    KTable<String, String> left = builder.table("l"), right = builder.table("r");
    KTable<String, String> joined;
    switch (asked.get("type").asText()) {
      case "inner": joined = left.join(right, PAIR); break;
      case "left": joined = left.leftJoin(right, PAIR); break;
      default: joined = left.outerJoin(right, PAIR);
    }
    joined.toStream().to("out");
  }

  /* ---- a join that is restarted ---- */

  /** A left row; the state as it is then, opened again; another left row of the same key and time, and its partner. */
  private static ArrayNode restarted() throws Exception {
    ObjectNode asked = JSON.createObjectNode().put("type", "inner").put("before", 10).put("after", 10).put("grace", 5);
    StreamsBuilder builder = new StreamsBuilder();
    streamStream(builder, asked);
    Topology topology = builder.build();
    try (TopologyTestDriver driver = new TopologyTestDriver(topology, restartable(folder.resolve("one")))) {
      driver.createInputTopic("l", new StringSerializer(), new StringSerializer()).pipeInput("a", "first", 1000L);
      driver.getAllStateStores().values().forEach(StateStore::flush);
      copy(folder.resolve("one"), folder.resolve("two")); // closing the driver deletes it
    }
    ArrayNode results = JSON.createArrayNode();
    StreamsBuilder again = new StreamsBuilder();
    streamStream(again, asked);
    try (TopologyTestDriver driver = new TopologyTestDriver(again.build(), restartable(folder.resolve("two")))) {
      driver.createInputTopic("l", new StringSerializer(), new StringSerializer()).pipeInput("a", "second", 1000L);
      driver.createInputTopic("r", new StringSerializer(), new StringSerializer()).pipeInput("a", "partner", 1000L);
      for (String value : driver.createOutputTopic("out", new StringDeserializer(), new StringDeserializer()).readValuesToList()) results.add(value);
    }
    return results;
  }

  private static Properties restartable(Path state) {
    Properties config = settings(JSON.createObjectNode().put("store", "rocksdb"));
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, "restart");
    config.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
    return config;
  }

  private static void copy(Path from, Path to) throws Exception {
    try (Stream<Path> paths = Files.walk(from)) {
      for (Path path : (Iterable<Path>) paths::iterator) Files.copy(path, to.resolve(from.relativize(path)));
    }
  }
}
