/**
 * @file parquet_arrow.cc
 * Parquet over Arrow: the writer of staged files and the reader of row groups.
 *
 * The writer's bytes depend on the rows alone. Rows are cut anew into chunks of chunk_rows before
 * Arrow sees them (page boundaries follow its calls), row groups have a fixed number of chunks, and
 * every choice of encoding is made from the first chunk. Neither time nor host goes into a file.
 */
#include "edge/lake_arrow.h"

#include <arrow/array/array_base.h>
#include <arrow/c/bridge.h>
#include <arrow/io/file.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>

#include <algorithm>
#include <bitset>
#include <vector>

extern "C" {
#include "base/alloc.h"
}
#include "edge/arrow_bridge.h"

using arrow::Status;
using ls_edge::fail;

namespace {

constexpr int64_t chunk_rows = 16384;
constexpr int64_t group_rows = 8 * chunk_rows;
constexpr int zstd_level = 1;
constexpr int64_t page_bytes = 1 << 20;
constexpr int64_t read_rows = 32768;            /* of one Arrow batch while a row group is read */
constexpr int64_t local_buffer_bytes = 1 << 18; /* per column, of a local file */

} // namespace

/* -- writing ----------------------------------------------------------------------------------- */

struct ls_parquet_writer {
  ls_lake_stage *stage = nullptr;
  const ls_schema *schema = nullptr;
  std::string path, file, name; /* in the lake; on disk; for messages */
  std::shared_ptr<arrow::Schema> arrow_schema;
  std::shared_ptr<arrow::io::FileOutputStream> sink;
  std::unique_ptr<parquet::arrow::FileWriter> writer; /* made with the first chunk */
  ls_arena arena;                                     /* of pending */
  std::vector<ls_column> pending;                     /* fewer than chunk_rows rows */
  int64_t n_pending = 0;
  int64_t n_group = 0;   /* rows of the open row group */
  size_t held_bytes = 0; /* of rows that are in no complete row group, before encoding */

  ls_parquet_writer() { ls__arena_init(&arena, 0); }
  ~ls_parquet_writer() { ls__arena_fini(&arena); }
  ls_parquet_writer(const ls_parquet_writer &) = delete;
  ls_parquet_writer &operator=(const ls_parquet_writer &) = delete;
};

static ls_slice value_bytes(const ls_column *column, int64_t row) {
  if (column->offsets) return ls__column_slice(column, row);
  size_t width = ls__type_width(column->type);
  return {static_cast<const char *>(column->values) + static_cast<size_t>(row) * width, width};
}

/**
 * Whether values of the first chunk repeat enough for a dictionary to pay. Distinct values are
 * counted by the bits their hashes set: a few collisions don't matter, and the answer is the same
 * in every run.
 */
static bool repeats(const ls_column *column, int64_t first, int64_t n) {
  if (column->type->kind == LS_BOOL || column->type->kind == LS_STRUCT || n == 0) return true;
  if (column->type->kind == LS_LIST) {
    int64_t begin = column->offsets[first], end = column->offsets[first + n];
    if (column->type->element->kind == LS_LIST) return true;
    return repeats(&column->children[0], begin, end - begin);
  }
  auto seen = std::make_unique<std::bitset<65536>>();
  int64_t n_values = 0;
  for (int64_t row = first; row < first + n; row++) {
    if (ls__is_null(column, row)) continue;
    seen->set(ls__hash64(value_bytes(column, row)) & 65535);
    n_values++;
  }
  return static_cast<int64_t>(seen->count()) * 2 <= n_values;
}

/* Path of the column's leaf; only lists of scalars and scalars are tuned. */
static std::string leaf_path(const ls_field *field) {
  return field->type->kind == LS_LIST ? std::string(field->name) + ".list.element" : field->name;
}

static bool is_stored_as_int(const ls_type *type) {
  return type->kind == LS_INT64 || type->kind == LS_TIMESTAMP || type->kind == LS_DATE ||
         (type->kind == LS_DECIMAL && type->precision <= 18);
}

static std::shared_ptr<parquet::WriterProperties> make_properties(const ls_schema *schema, const ls_column *columns,
                                                                  int64_t first, int64_t n) {
  parquet::WriterProperties::Builder builder;
  builder.memory_pool(ls_edge::memory_pool())
      ->created_by("libstream version " LS_VERSION_STRING)
      ->compression(parquet::Compression::ZSTD)
      ->compression_level(zstd_level)
      ->data_pagesize(page_bytes)
      ->max_row_group_length(group_rows)
      ->enable_store_decimal_as_integer();
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    const ls_field *field = &schema->fields[i];
    if (repeats(&columns[i], first, n)) continue;
    builder.disable_dictionary(leaf_path(field));
    if (is_stored_as_int(field->type)) {
      builder.encoding(leaf_path(field), parquet::Encoding::DELTA_BINARY_PACKED);
    }
  }
  return builder.build();
}

static Status open_writer(ls_parquet_writer *writer, const ls_column *columns, int64_t first, int64_t n) {
  auto arrow_properties = parquet::ArrowWriterProperties::Builder().set_use_threads(false)->build();
  ARROW_ASSIGN_OR_RAISE(writer->writer, parquet::arrow::FileWriter::Open(
                                            *writer->arrow_schema, ls_edge::memory_pool(), writer->sink,
                                            make_properties(writer->schema, columns, first, n), arrow_properties));
  return Status::OK();
}

static Status write_rows(ls_parquet_writer *writer, const ls_column *columns, int64_t first, int64_t n) {
  if (!writer->writer) ARROW_RETURN_NOT_OK(open_writer(writer, columns, first, n));
  ArrowArray rows;
  ls__arrow_export_rows(&rows, writer->schema, columns, first, n);
  ARROW_ASSIGN_OR_RAISE(auto batch, arrow::ImportRecordBatch(&rows, writer->arrow_schema));
  for (int i = 0; i < batch->num_columns(); i++) {
    if (!writer->arrow_schema->field(i)->nullable() && batch->column(i)->null_count() > 0) {
      return Status::Invalid("column '", writer->arrow_schema->field(i)->name(),
                             "' is declared not null and has a null");
    }
  }
  writer->n_group += n;
  if (writer->n_group >= group_rows) {
    writer->n_group -= group_rows;
    writer->held_bytes = 0;
  }
  return writer->writer->WriteRecordBatch(*batch);
}

static Status flush_pending(ls_parquet_writer *writer) {
  ARROW_RETURN_NOT_OK(write_rows(writer, writer->pending.data(), 0, writer->n_pending));
  for (ls_column &column : writer->pending) ls__column_clear(&column);
  writer->n_pending = 0;
  return Status::OK();
}

/* Whole chunks go out of the batch as they are; what does not fill one waits. */
static Status write_batch(ls_parquet_writer *writer, const ls_batch *batch) {
  for (int64_t done = 0; done < batch->n_rows;) {
    int64_t left = batch->n_rows - done;
    if (writer->n_pending == 0 && left >= chunk_rows) {
      ARROW_RETURN_NOT_OK(write_rows(writer, batch->columns, done, chunk_rows));
      done += chunk_rows;
      continue;
    }
    int64_t n = std::min(left, chunk_rows - writer->n_pending);
    for (size_t i = 0; i < writer->pending.size(); i++) {
      ls__column_append_range(&writer->pending[i], &batch->columns[i], done, n);
    }
    writer->n_pending += n;
    done += n;
    if (writer->n_pending == chunk_rows) ARROW_RETURN_NOT_OK(flush_pending(writer));
  }
  return Status::OK();
}

static Status finish_file(ls_parquet_writer *writer) {
  if (writer->n_pending > 0) ARROW_RETURN_NOT_OK(flush_pending(writer));
  if (!writer->writer) ARROW_RETURN_NOT_OK(open_writer(writer, writer->pending.data(), 0, 0));
  ARROW_RETURN_NOT_OK(writer->writer->Close());
  return writer->sink->Close();
}

static Status start_file(ls_parquet_writer *writer) {
  ArrowSchema exported;
  ls__arrow_export_schema(&exported, writer->schema);
  ARROW_ASSIGN_OR_RAISE(writer->arrow_schema, arrow::ImportSchema(&exported));
  ARROW_ASSIGN_OR_RAISE(writer->sink, arrow::io::FileOutputStream::Open(writer->file));
  writer->pending.resize(writer->schema->n_fields);
  for (uint32_t i = 0; i < writer->schema->n_fields; i++) {
    ls__column_init(&writer->pending[i], writer->schema->fields[i].type, &writer->arena, 0);
  }
  return Status::OK();
}

extern "C" int ls__parquet_writer_open(ls_parquet_writer **out, ls_lake_stage *stage, const char *path,
                                       const ls_schema *schema, ls_error *err) try {
  auto writer = std::make_unique<ls_parquet_writer>();
  char *file = nullptr;
  LS_TRY(ls__stage_begin(&file, stage, path, err));
  writer->file = file;
  ls__free(file);
  ls_buf name = LS_BUF_INIT;
  ls__lake_describe(&name, ls__stage_lake(stage), path);
  writer->name = name.ptr;
  ls__buf_fini(&name);
  writer->stage = stage;
  writer->schema = schema;
  writer->path = path;
  Status status = start_file(writer.get());
  if (!status.ok()) return fail(err, status, writer->file, LS_EINVAL);
  *out = writer.release();
  return LS_OK;
} catch (const std::exception &e) {
  return ls_error_set(err, LS_EIO, "%s: %s", path, e.what());
}

extern "C" int ls__parquet_write(ls_parquet_writer *writer, const ls_batch *batch, ls_error *err) try {
  writer->held_bytes += ls__batch_bytes(batch);
  Status status = write_batch(writer, batch);
  return status.ok() ? LS_OK : fail(err, status, writer->name, LS_EINVAL);
} catch (const std::exception &e) {
  return ls_error_set(err, LS_EIO, "%s: %s", writer->name.c_str(), e.what());
}

extern "C" void ls__parquet_writer_size(const ls_parquet_writer *writer, int64_t *file_bytes, size_t *held_bytes) {
  *file_bytes = writer->sink->Tell().ValueOr(0);
  *held_bytes = writer->held_bytes;
}

extern "C" int ls__parquet_writer_flush(ls_parquet_writer *writer, ls_error *err) try {
  Status status;
  if (writer->n_pending > 0) status = flush_pending(writer);
  if (status.ok() && writer->n_group > 0) status = writer->writer->NewBufferedRowGroup();
  writer->n_group = 0;
  writer->held_bytes = 0;
  return status.ok() ? LS_OK : fail(err, status, writer->name, LS_EINVAL);
} catch (const std::exception &e) {
  return ls_error_set(err, LS_EIO, "%s: %s", writer->name.c_str(), e.what());
}

extern "C" int ls__parquet_writer_finish(ls_parquet_writer *handle, ls_error *err) {
  std::unique_ptr<ls_parquet_writer> writer(handle);
  try {
    Status status = finish_file(writer.get());
    if (!status.ok()) return fail(err, status, writer->name, LS_EINVAL);
    return ls__stage_complete(writer->stage, writer->path.c_str(), writer->file.c_str(), err);
  } catch (const std::exception &e) {
    return ls_error_set(err, LS_EIO, "%s: %s", writer->name.c_str(), e.what());
  }
}

extern "C" void ls__parquet_writer_abandon(ls_parquet_writer *writer) {
  if (writer && writer->sink) (void)writer->sink->Close(); /* before Arrow's destructor would write a footer to it */
  delete writer;
}

/* -- reading ----------------------------------------------------------------------------------- */

struct ls_parquet_reader {
  ls_edge::RandomFile file;
  const ls_schema *schema = nullptr;
  std::unique_ptr<parquet::arrow::FileReader> reader;
  std::vector<int> leaves;            /* Parquet columns to read, in file order */
  std::vector<uint32_t> fields;       /* our field of each column of an Arrow batch */
  std::vector<ls_arrow_plan *> plans; /* the same order */
  std::vector<bool> read;             /* per field of the schema */
  ls_arena arena;                     /* of plans */
  ls_arena scratch;                   /* of one Arrow batch */

  ls_parquet_reader() {
    ls__arena_init(&arena, 0);
    ls__arena_init(&scratch, 0);
  }
  ~ls_parquet_reader() {
    ls__arena_fini(&arena);
    ls__arena_fini(&scratch);
  }
  ls_parquet_reader(const ls_parquet_reader &) = delete;
  ls_parquet_reader &operator=(const ls_parquet_reader &) = delete;
};

/* A replaced object explains any failure better than the failure itself. */
static int fail_read(ls_parquet_reader *reader, const Status &status, ls_error *err) {
  LS_TRY(ls_edge::check_not_replaced(reader->file, err));
  return fail(err, status, reader->file.name, LS_EDATA);
}

static int open_file(ls_parquet_reader *reader, ls_error *err) {
  parquet::ReaderProperties properties(ls_edge::memory_pool());
  bool local = reader->file.s3 == nullptr;
  if (local) {
    properties.enable_buffered_stream(); /* never a whole column chunk in memory */
    properties.set_buffer_size(local_buffer_bytes);
  }
  parquet::ArrowReaderProperties arrow_properties(/*use_threads=*/false);
  arrow_properties.set_batch_size(read_rows);
  arrow_properties.set_pre_buffer(!local && !reader->file.whole);
  parquet::arrow::FileReaderBuilder builder;
  Status status = builder.Open(reader->file.file, properties);
  if (status.ok())
    status = builder.memory_pool(ls_edge::memory_pool())->properties(arrow_properties)->Build(&reader->reader);
  return status.ok() ? LS_OK : fail_read(reader, status, err);
}

static void add_leaves(const parquet::arrow::SchemaField &field, std::vector<int> *leaves) {
  if (field.is_leaf()) leaves->push_back(field.column_index);
  for (const auto &child : field.children) add_leaves(child, leaves);
}

static int add_plan(ls_parquet_reader *reader, uint32_t field, const arrow::Field &found, ls_error *err) {
  ArrowSchema exported;
  Status status = arrow::ExportType(*found.type(), &exported);
  if (!status.ok()) return fail(err, status, reader->file.name, LS_EDATA);
  ls_arrow_plan *plan = nullptr;
  const ls_field *wanted = &reader->schema->fields[field];
  int rc = ls__arrow_plan_new(&plan, &reader->arena, wanted->type, &exported, wanted->name, err);
  exported.release(&exported);
  if (rc < 0) {
    ls_error_prefix(err, "%s: ", reader->file.name.c_str());
    return rc;
  }
  reader->fields.push_back(field);
  reader->plans.push_back(plan);
  return LS_OK;
}

/* Finds each wanted field among the file's columns; the order of the file is the order of
 * Arrow's batches. */
static int plan_columns(ls_parquet_reader *reader, const uint64_t *wanted, ls_error *err) {
  const ls_schema *schema = reader->schema;
  const auto &found = reader->reader->manifest().schema_fields;
  std::vector<int> field_of(found.size(), -1);
  reader->read.assign(schema->n_fields, false);
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    if (wanted && !LS_BIT_GET(wanted, i)) continue;
    int n_matches = 0;
    for (size_t j = 0; j < found.size(); j++) {
      if (found[j].field->name() != schema->fields[i].name) continue;
      field_of[j] = static_cast<int>(i);
      n_matches++;
    }
    if (n_matches != 1) {
      return ls_error_set(err, LS_EDATA, "%s: column '%s': %s", reader->file.name.c_str(), schema->fields[i].name,
                          n_matches ? "is in the file more than once" : "is missing in the file");
    }
    reader->read[i] = true;
  }
  for (size_t j = 0; j < found.size(); j++) {
    if (field_of[j] < 0) continue;
    LS_TRY(add_plan(reader, static_cast<uint32_t>(field_of[j]), *found[j].field, err));
    add_leaves(found[j], &reader->leaves);
  }
  return LS_OK;
}

extern "C" int ls__parquet_reader_open(ls_parquet_reader **out, ls_lake *lake, const char *path,
                                       const ls_schema *schema, const uint64_t *wanted, ls_error *err) try {
  auto reader = std::make_unique<ls_parquet_reader>();
  reader->schema = schema;
  LS_TRY(ls_edge::open_random(&reader->file, lake, path, err));
  LS_TRY(open_file(reader.get(), err));
  LS_TRY(plan_columns(reader.get(), wanted, err));
  *out = reader.release();
  return LS_OK;
} catch (const std::exception &e) {
  return ls_error_set(err, LS_EDATA, "%s: %s", path, e.what());
}

extern "C" int32_t ls__parquet_reader_n_groups(const ls_parquet_reader *reader) {
  return reader->reader->num_row_groups();
}

extern "C" int64_t ls__parquet_reader_group_rows(const ls_parquet_reader *reader, int32_t group) {
  return reader->reader->parquet_reader()->metadata()->RowGroup(group)->num_rows();
}

/* Where faults of one column of one Arrow batch go. */
struct fault_sink {
  ls_value_fault_fn on_fault;
  void *payload;
  int64_t first_row; /* of the group */
  uint32_t field;
};

static void tell_fault(void *payload, int64_t row, const char *reason) {
  const auto *sink = static_cast<const fault_sink *>(payload);
  sink->on_fault(sink->payload, sink->first_row + row, sink->field, reason);
}

static int append_array(ls_batch *out, ls_parquet_reader *reader, size_t at, const arrow::Array &array, fault_sink sink,
                        ls_error *err) {
  ArrowArray exported;
  Status status = arrow::ExportArray(array, &exported);
  if (!status.ok()) return fail(err, status, reader->file.name, LS_EDATA);
  uint32_t field = sink.field = reader->fields[at];
  int rc = ls__arrow_append(&out->columns[field], reader->plans[at], &exported, &reader->scratch,
                            reader->schema->fields[field].name, tell_fault, &sink, err);
  exported.release(&exported);
  if (rc < 0) ls_error_prefix(err, "%s: ", reader->file.name.c_str());
  return rc;
}

/* All Arrow batches of one row group; *n_rows what they held. */
static int append_group(ls_batch *out, ls_parquet_reader *reader, int32_t group, int64_t *n_rows, fault_sink sink,
                        ls_error *err) {
  *n_rows = 0;
  auto batches = reader->reader->GetRecordBatchReader({group}, reader->leaves);
  if (!batches.ok()) return fail_read(reader, batches.status(), err);
  for (;;) {
    std::shared_ptr<arrow::RecordBatch> batch;
    Status status = (*batches)->ReadNext(&batch);
    if (!status.ok()) return fail_read(reader, status, err);
    if (!batch) return LS_OK;
    for (size_t i = 0; i < reader->fields.size(); i++) {
      LS_TRY(append_array(out, reader, i, *batch->column(static_cast<int>(i)), sink, err));
    }
    ls__arena_reset(&reader->scratch);
    *n_rows += batch->num_rows();
    sink.first_row = *n_rows;
  }
}

extern "C" int ls__parquet_read_group(ls_batch *out, ls_parquet_reader *reader, int32_t group,
                                      ls_value_fault_fn on_fault, void *payload, ls_error *err) try {
  int64_t want = ls__parquet_reader_group_rows(reader, group), n_rows = want;
  if (!reader->fields.empty()) {
    for (uint32_t field : reader->fields) ls__column_reserve(&out->columns[field], want);
    LS_TRY(append_group(out, reader, group, &n_rows, {on_fault, payload, 0, 0}, err));
  }
  if (!reader->file.whole) LS_TRY(ls_edge::check_not_replaced(reader->file, err));
  if (n_rows != want) {
    return ls_error_set(err, LS_EDATA, "%s: row group %d has %lld rows, its header says %lld",
                        reader->file.name.c_str(), group, static_cast<long long>(n_rows), static_cast<long long>(want));
  }
  for (uint32_t i = 0; i < reader->schema->n_fields; i++) {
    if (!reader->read[i]) ls__column_append_nulls(&out->columns[i], want);
  }
  out->n_rows += want;
  return LS_OK;
} catch (const std::exception &e) {
  return ls_error_set(err, LS_EDATA, "%s: %s", reader->file.name.c_str(), e.what());
}

extern "C" void ls__parquet_reader_close(ls_parquet_reader *reader) {
  delete reader;
}
