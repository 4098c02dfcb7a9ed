/**
 * @file arrow_import.c
 * Arrow arrays into our columns. Each array is first made into a view, a column in our layout:
 * where the layouts agree it points into Arrow's buffers, otherwise values are converted into
 * scratch memory. Then the view is appended.
 */
#include "base/assert.h"
#include "data/datetime.h"
#include "data/decimal.h"
#include "edge/arrow_bridge.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 160 /* an Arrow format or type name in a message */

typedef enum plan_op {
  OP_NULL,       /* a column of nulls */
  OP_BITS,       /* bool */
  OP_PLAIN,      /* same fixed layout */
  OP_INT,        /* any integer -> int64 */
  OP_FLOAT,      /* float32 -> float64 */
  OP_DECIMAL,    /* any width and scale -> decimal128 */
  OP_TIME,       /* time unit -> us, or ms -> days */
  OP_TEXT,       /* int32 offsets */
  OP_TEXT_LARGE, /* int64 offsets */
  OP_TEXT_VIEW,  /* 16-byte views and data buffers */
  OP_TEXT_FIXED, /* width bytes each */
  OP_LIST,
  OP_LIST_LARGE,
  OP_STRUCT,
  OP_DICTIONARY
} plan_op;

struct ls_arrow_plan {
  plan_op op;
  const ls_type *type;
  int width;                /* bytes of an Arrow value; INT: negative means unsigned */
  int precision, scale;     /* DECIMAL, of the Arrow side */
  int64_t multiply, divide; /* TIME */
  bool check_utf8;
  ls_arrow_plan *children; /* LIST: 1, STRUCT: n_fields, DICTIONARY: 1 (the values) */
  int64_t *child_index;    /* STRUCT: Arrow child of each field, -1: absent */
};

/* -- planning: which Arrow type is it ---------------------------------------------------------- */

static int mistyped(const ls_arrow_plan *plan, const struct ArrowSchema *schema, const char *column, ls_error *err) {
  ls_buf want = LS_BUF_INIT;
  ls__type_format(&want, plan->type);
  int rc = ls_error_set(err, LS_EDATA, "column '%s': the file's type does not fit (Arrow format '%.*s'%s), want %s",
                        column, TEXT_MAX, schema->format, schema->dictionary ? ", dictionary-encoded" : "", want.ptr);
  ls__buf_fini(&want);
  return rc;
}

static int integer_width(char format) {
  switch (format) {
  case 'c':
    return 1;
  case 's':
    return 2;
  case 'i':
    return 4;
  case 'l':
    return 8;
  case 'C':
    return -1;
  case 'S':
    return -2;
  case 'I':
    return -4;
  case 'L':
    return -8;
  default:
    return 0;
  }
}

static bool plan_decimal(ls_arrow_plan *plan, const char *format) {
  if (strncmp(format, "d:", 2) != 0) return false;
  char *end = NULL;
  long precision = strtol(format + 2, &end, 10), scale, bits = 128;
  if (*end != ',') return false;
  scale = strtol(end + 1, &end, 10);
  if (*end == ',') bits = strtol(end + 1, &end, 10);
  if (*end || (bits != 32 && bits != 64 && bits != 128 && bits != 256)) return false;
  if (precision < 1 || precision > 76 || scale < 0 || scale > precision) return false;
  plan->precision = (int)precision;
  plan->scale = (int)scale;
  plan->width = (int)bits / 8;
  bool same = bits == 128 && scale == plan->type->scale && precision <= plan->type->precision;
  plan->op = same ? OP_PLAIN : OP_DECIMAL;
  return true;
}

/* A timestamp without a zone is taken for UTC: several engines write all of theirs so. */
static bool plan_timestamp(ls_arrow_plan *plan, const char *format) {
  if (strncmp(format, "ts", 2) != 0 || !format[2] || format[3] != ':') return false;
  plan->op = OP_TIME;
  plan->width = 8;
  plan->multiply = plan->divide = 1;
  switch (format[2]) {
  case 's':
    plan->multiply = 1000000;
    return true;
  case 'm':
    plan->multiply = 1000;
    return true;
  case 'u':
    plan->op = OP_PLAIN;
    return true;
  case 'n':
    plan->divide = 1000;
    return true;
  default:
    return false;
  }
}

static bool plan_date(ls_arrow_plan *plan, const char *format) {
  if (strcmp(format, "tdD") == 0) {
    plan->op = OP_PLAIN;
    return true;
  }
  if (strcmp(format, "tdm") != 0) return false;
  plan->op = OP_TIME;
  plan->multiply = 1;
  plan->divide = 86400000;
  return true;
}

static bool plan_text(ls_arrow_plan *plan, const char *format) {
  plan->check_utf8 = plan->type->kind == LS_STRING;
  bool is_text = strchr(format, 'u') || strchr(format, 'U');
  if (plan->type->kind == LS_BYTES && is_text) return false; /* text is no bytes: the declared schema is wrong */
  if (strcmp(format, "u") == 0 || strcmp(format, "z") == 0) {
    plan->op = OP_TEXT;
  } else if (strcmp(format, "U") == 0 || strcmp(format, "Z") == 0) {
    plan->op = OP_TEXT_LARGE;
  } else if (strcmp(format, "vu") == 0 || strcmp(format, "vz") == 0) {
    plan->op = OP_TEXT_VIEW;
  } else if (strncmp(format, "w:", 2) == 0) {
    plan->op = OP_TEXT_FIXED;
    plan->width = (int)strtol(format + 2, NULL, 10);
  } else {
    return false;
  }
  return true;
}

static bool plan_scalar(ls_arrow_plan *plan, const char *format) {
  switch (plan->type->kind) {
  case LS_BOOL:
    plan->op = OP_BITS;
    return strcmp(format, "b") == 0;
  case LS_INT64:
    plan->width = strlen(format) == 1 ? integer_width(format[0]) : 0;
    plan->op = plan->width == 8 ? OP_PLAIN : OP_INT;
    return plan->width != 0;
  case LS_FLOAT64:
    plan->op = strcmp(format, "f") == 0 ? OP_FLOAT : OP_PLAIN;
    return strcmp(format, "f") == 0 || strcmp(format, "g") == 0;
  case LS_DECIMAL:
    return plan_decimal(plan, format);
  case LS_TIMESTAMP:
    return plan_timestamp(plan, format);
  case LS_DATE:
    return plan_date(plan, format);
  case LS_STRING:
  case LS_BYTES:
    return plan_text(plan, format);
  default:
    return false;
  }
}

static int plan_fill(ls_arrow_plan *plan, ls_arena *arena, const ls_type *type, const struct ArrowSchema *schema,
                     const char *column, ls_error *err);

static int plan_struct(ls_arrow_plan *plan, ls_arena *arena, const struct ArrowSchema *schema, const char *column,
                       ls_error *err) {
  const ls_type *type = plan->type;
  plan->op = OP_STRUCT;
  plan->children = LS_ARENA_ARRAY(arena, ls_arrow_plan, type->n_fields);
  plan->child_index = LS_ARENA_ARRAY(arena, int64_t, type->n_fields);
  for (uint32_t i = 0; i < type->n_fields; i++) {
    const char *name = ls__arena_printf(arena, "%s.%s", column, type->fields[i].name);
    int64_t found = 0;
    while (found < schema->n_children && strcmp(schema->children[found]->name, type->fields[i].name) != 0) found++;
    if (found == schema->n_children) return ls_error_set(err, LS_EDATA, "column '%s': is missing in the file", name);
    plan->child_index[i] = found;
    LS_TRY(plan_fill(&plan->children[i], arena, type->fields[i].type, schema->children[found], name, err));
  }
  return LS_OK;
}

static int plan_fill(ls_arrow_plan *plan, ls_arena *arena, const ls_type *type, const struct ArrowSchema *schema,
                     const char *column, ls_error *err) {
  plan->type = type;
  const char *format = schema->format;
  if (schema->dictionary) {
    plan->op = OP_DICTIONARY;
    plan->width = integer_width(format[0]);
    if (plan->width == 0) return mistyped(plan, schema, column, err);
    plan->children = LS_ARENA_NEW(arena, ls_arrow_plan);
    return plan_fill(plan->children, arena, type, schema->dictionary, column, err);
  }
  if (strcmp(format, "n") == 0) {
    plan->op = OP_NULL;
    return LS_OK;
  }
  if (type->kind == LS_STRUCT && strcmp(format, "+s") == 0) return plan_struct(plan, arena, schema, column, err);
  bool is_list = strcmp(format, "+l") == 0 || strcmp(format, "+L") == 0;
  if (type->kind == LS_LIST && is_list) {
    plan->op = format[1] == 'l' ? OP_LIST : OP_LIST_LARGE;
    plan->children = LS_ARENA_NEW(arena, ls_arrow_plan);
    return plan_fill(plan->children, arena, type->element, schema->children[0], column, err);
  }
  return plan_scalar(plan, format) ? LS_OK : mistyped(plan, schema, column, err);
}

int ls__arrow_plan_new(ls_arrow_plan **out, ls_arena *arena, const ls_type *type, const struct ArrowSchema *schema,
                       const char *column, ls_error *err) {
  *out = LS_ARENA_NEW(arena, ls_arrow_plan);
  return plan_fill(*out, arena, type, schema, column, err);
}

/* -- views ------------------------------------------------------------------------------------- */

/* What one conversion works on: rows [first, first + n) of an Arrow array, counted from the
 * start of its buffers. */
typedef struct span {
  const struct ArrowArray *array;
  int64_t first, n;
  ls_arena *scratch;
  const char *column; /* for messages */
  ls_error *err;
  const int64_t *rows; /* row of the outermost array that each row belongs to; NULL: itself */
  ls_arrow_fault_fn on_fault;
  void *payload;
} span;

static int make_view(ls_column *view, const ls_arrow_plan *plan, const span *in);

static void tell_fault(const span *in, int64_t row, const char *reason) {
  in->on_fault(in->payload, in->rows != NULL ? in->rows[row] : row, reason);
}

/* Bits of a bitmap from any position, as words that start with it. */
static uint64_t *shift_bits(const uint8_t *bits, int64_t first, int64_t n, ls_arena *scratch) {
  uint64_t *words = LS_ARENA_ARRAY(scratch, uint64_t, LS_BIT_WORDS(n) + 1);
  for (int64_t done = 0; done < n;) {
    int64_t at = first + done, chunk = n - done < 56 ? n - done : 56; /* 56 + 7 bits are within 8 bytes */
    uint64_t word = 0;
    memcpy(&word, bits + (at >> 3), (size_t)(((at & 7) + chunk + 7) >> 3));
    word = (word >> (at & 7)) & ((UINT64_C(1) << chunk) - 1);
    words[done >> 6] |= word << (done & 63);
    if ((done & 63) + chunk > 64) words[(done >> 6) + 1] |= word >> (64 - (done & 63));
    done += chunk;
  }
  return words;
}

static uint64_t *view_bits(const void *bits, const span *in) {
  if ((in->first & 63) == 0 && ((uintptr_t)bits & 7) == 0) {
    return (uint64_t *)(uintptr_t)bits + (in->first >> 6);
  }
  return shift_bits(bits, in->first, in->n, in->scratch);
}

static const char *values_at(const span *in, int buffer, int width) {
  const char *values = in->array->buffers[buffer];
  return values ? values + in->first * width : NULL;
}

static void view_offsets(ls_column *view, const span *in) {
  /* an empty array may come without offsets */
  static const int32_t none[1] = {0};
  const char *offsets = in->n > 0 ? values_at(in, 1, 4) : NULL;
  view->offsets = (int32_t *)(uintptr_t)(offsets ? (const void *)offsets : (const void *)none);
}

/* One integer of any width; false when an unsigned one is above INT64_MAX. */
static bool load_integer(int64_t *out, const char *at, int width) {
  uint64_t raw = 0;
  int n_bytes = width < 0 ? -width : width;
  memcpy(&raw, at, (size_t)n_bytes);
  if (width > 0 && n_bytes < 8) {
    int shift = 64 - 8 * n_bytes;
    raw = (uint64_t)((int64_t)(raw << shift) >> shift);
  }
  *out = (int64_t)raw;
  return width > 0 || *out >= 0;
}

static void convert_integers(ls_column *view, const ls_arrow_plan *plan, const span *in) {
  int step = plan->width < 0 ? -plan->width : plan->width;
  const char *from = values_at(in, 1, step);
  int64_t *to = LS_ARENA_ARRAY(in->scratch, int64_t, in->n);
  view->values = to;
  for (int64_t i = 0; i < in->n; i++) {
    if (ls__is_null(view, i)) continue;
    if (!load_integer(&to[i], from + i * step, plan->width)) tell_fault(in, i, "out_of_range");
  }
}

static void convert_floats(ls_column *view, const span *in) {
  const char *from = values_at(in, 1, 4);
  double *to = LS_ARENA_ARRAY(in->scratch, double, in->n);
  view->values = to;
  for (int64_t i = 0; i < in->n; i++) {
    float value;
    memcpy(&value, from + i * 4, 4);
    to[i] = (double)value;
  }
}

/* A decimal of 4 to 32 bytes; false when it needs more than 128 bits. */
static bool load_decimal(ls_int128 *out, const char *at, int width) {
  if (width <= 8) {
    int64_t value = 0;
    load_integer(&value, at, width);
    *out = value;
    return true;
  }
  uint64_t words[4] = {0};
  memcpy(words, at, (size_t)width);
  *out = ls__i128_get((ls_i128){words[0], (int64_t)words[1]});
  uint64_t sign = (int64_t)words[1] < 0 ? UINT64_MAX : 0;
  return width == 16 || (words[2] == sign && words[3] == sign);
}

/* Rounded it would fit, or not even then. */
static const char *decimal_reason(const ls_arrow_plan *plan, ls_int128 value) {
  const ls_type *type = plan->type;
  bool fits = ls__decimal_rescale(&value, value, plan->scale, type->scale, type->precision, LS_ROUND_HALF_UP) == LS_OK;
  return fits ? "too_many_decimals" : "too_many_digits";
}

static void convert_decimals(ls_column *view, const ls_arrow_plan *plan, const span *in) {
  const char *from = values_at(in, 1, plan->width);
  ls_i128 *to = LS_ARENA_ARRAY(in->scratch, ls_i128, in->n);
  const ls_type *type = plan->type;
  view->values = to;
  for (int64_t i = 0; i < in->n; i++) {
    if (ls__is_null(view, i)) continue;
    ls_int128 raw = 0, value = 0;
    if (!load_decimal(&raw, from + i * plan->width, plan->width)) {
      tell_fault(in, i, "too_many_digits");
    } else if (ls__decimal_rescale(&value, raw, plan->scale, type->scale, type->precision, LS_ROUND_EXACT) != LS_OK) {
      tell_fault(in, i, decimal_reason(plan, raw));
    } else {
      to[i] = ls__i128_make(value);
    }
  }
}

static bool time_ok(const ls_type *type, int64_t value) {
  return type->kind == LS_DATE ? value >= LS_DATE_DAYS_MIN && value <= LS_DATE_DAYS_MAX
                               : value >= LS_TIMESTAMP_US_MIN && value <= LS_TIMESTAMP_US_MAX;
}

static const char *time_reason(const ls_type *type) {
  return type->kind == LS_DATE ? "bad_date" : "bad_timestamp";
}

/* The layout says nothing of years before 1 or after 9999, nor a decimal's of its digits. */
static void check_plain(const ls_column *view, const span *in) {
  const ls_type *type = view->type;
  for (int64_t i = 0; i < in->n; i++) {
    if (ls__is_null(view, i)) continue;
    if (type->kind == LS_DECIMAL && !ls__decimal_fits(ls__i128_get(ls__column_i128(view)[i]), type->precision)) {
      tell_fault(in, i, "too_many_digits");
    } else if (type->kind == LS_TIMESTAMP && !time_ok(type, ls__column_i64(view)[i])) {
      tell_fault(in, i, time_reason(type));
    } else if (type->kind == LS_DATE && !time_ok(type, ls__column_i32(view)[i])) {
      tell_fault(in, i, time_reason(type));
    }
  }
}

static void convert_times(ls_column *view, const ls_arrow_plan *plan, const span *in) {
  const char *from = values_at(in, 1, 8);
  bool to_days = plan->type->kind == LS_DATE;
  view->values = ls__arena_zalloc(in->scratch, (size_t)in->n * ls__type_width(plan->type));
  for (int64_t i = 0; i < in->n; i++) {
    if (ls__is_null(view, i)) continue;
    int64_t value;
    memcpy(&value, from + i * 8, 8);
    bool exact = value % plan->divide == 0 && !__builtin_mul_overflow(value / plan->divide, plan->multiply, &value);
    if (!exact || !time_ok(plan->type, value)) {
      tell_fault(in, i, time_reason(plan->type));
    } else if (to_days) {
      ((int32_t *)view->values)[i] = (int32_t)value;
    } else {
      ((int64_t *)view->values)[i] = value;
    }
  }
}

/* -- text -------------------------------------------------------------------------------------- */

typedef ls_slice (*text_at_fn)(const ls_arrow_plan *plan, const span *in, int64_t row);

static ls_slice large_text_at(const ls_arrow_plan *plan, const span *in, int64_t row) {
  (void)plan;
  const int64_t *offsets = (const int64_t *)in->array->buffers[1] + in->first + row;
  const char *bytes = in->array->buffers[2];
  return (ls_slice){bytes + offsets[0], (size_t)(offsets[1] - offsets[0])};
}

/* Up to 12 bytes are in the view itself; longer ones: prefix, buffer index, offset. */
static ls_slice viewed_text_at(const ls_arrow_plan *plan, const span *in, int64_t row) {
  (void)plan;
  const char *view = values_at(in, 1, 16) + row * 16;
  int32_t head[4];
  memcpy(head, view, sizeof head);
  if (head[0] <= 12) return (ls_slice){view + 4, (size_t)head[0]};
  const char *bytes = in->array->buffers[2 + head[2]];
  return (ls_slice){bytes + head[3], (size_t)head[0]};
}

static ls_slice fixed_text_at(const ls_arrow_plan *plan, const span *in, int64_t row) {
  return (ls_slice){values_at(in, 1, plan->width) + row * plan->width, (size_t)plan->width};
}

static int convert_text(ls_column *view, const ls_arrow_plan *plan, const span *in, text_at_fn text_at) {
  view->offsets = LS_ARENA_ARRAY(in->scratch, int32_t, in->n + 1);
  int64_t n_bytes = 0;
  for (int64_t i = 0; i < in->n; i++) {
    if (!ls__is_null(view, i)) n_bytes += (int64_t)text_at(plan, in, i).len;
    if (n_bytes > INT32_MAX) {
      return ls_error_set(in->err, LS_ELIMIT, "column '%s': more than 2 GiB of bytes in one batch", in->column);
    }
    view->offsets[i + 1] = (int32_t)n_bytes;
  }
  char *to = ls__arena_alloc(in->scratch, (size_t)n_bytes + 1);
  view->values = to;
  for (int64_t i = 0; i < in->n; i++) {
    if (ls__is_null(view, i)) continue;
    ls_slice text = text_at(plan, in, i);
    if (text.len) memcpy(to + view->offsets[i], text.ptr, text.len);
  }
  return LS_OK;
}

/* Parquet readers take text as it comes. Checked as a whole, then that no value begins inside a
 * character; only where that fails, value by value. */
static void check_text(const ls_column *view, const span *in) {
  if (in->n == 0) return;
  const char *bytes = view->values;
  int32_t first = view->offsets[0], end = view->offsets[in->n];
  if (first == end) return;
  bool good = ls__utf8_valid((ls_slice){bytes + first, (size_t)(end - first)});
  for (int64_t i = 0; good && i < in->n; i++) {
    int32_t at = view->offsets[i];
    good = at == end || ((unsigned char)bytes[at] & 0xC0) != 0x80;
  }
  for (int64_t i = 0; !good && i < in->n; i++) {
    if (!ls__is_null(view, i) && !ls__utf8_valid(ls__column_slice(view, i))) tell_fault(in, i, "bad_utf8");
  }
}

static int view_text(ls_column *view, const ls_arrow_plan *plan, const span *in) {
  int rc = LS_OK;
  switch (plan->op) {
  case OP_TEXT_LARGE:
    rc = convert_text(view, plan, in, large_text_at);
    break;
  case OP_TEXT_VIEW:
    rc = convert_text(view, plan, in, viewed_text_at);
    break;
  case OP_TEXT_FIXED:
    rc = convert_text(view, plan, in, fixed_text_at);
    break;
  default:
    view_offsets(view, in);
    view->values = (void *)(uintptr_t)in->array->buffers[2];
  }
  if (rc == LS_OK && plan->check_utf8) check_text(view, in);
  return rc;
}

/* -- nested and dictionary-encoded ------------------------------------------------------------- */

/* The row of each element of a list. */
static int64_t *rows_of_elements(const ls_column *view, const span *in) {
  int64_t *rows = LS_ARENA_ARRAY(in->scratch, int64_t, view->offsets[in->n] + 1);
  for (int64_t i = 0; i < in->n; i++) {
    for (int32_t k = view->offsets[i]; k < view->offsets[i + 1]; k++) rows[k] = in->rows != NULL ? in->rows[i] : i;
  }
  return rows;
}

/* Only the elements that the rows use are looked at: a batch is often a slice of a much longer
 * array. */
static int view_list(ls_column *view, const ls_arrow_plan *plan, const span *in) {
  bool large = plan->op == OP_LIST_LARGE;
  const char *from = in->n > 0 ? values_at(in, 1, large ? 8 : 4) : NULL;
  int64_t begin = 0, end = 0;
  view->offsets = LS_ARENA_ARRAY(in->scratch, int32_t, in->n + 1);
  for (int64_t i = 0; from && i <= in->n; i++) {
    end = large ? ((const int64_t *)(const void *)from)[i] : ((const int32_t *)(const void *)from)[i];
    if (i == 0) begin = end;
    if (end - begin > INT32_MAX) {
      return ls_error_set(in->err, LS_ELIMIT, "column '%s': more than 2^31 elements in one batch", in->column);
    }
    view->offsets[i] = (int32_t)(end - begin);
  }
  const struct ArrowArray *elements = in->array->children[0];
  span child = *in;
  child.array = elements;
  child.first = elements->offset + begin;
  child.n = end - begin;
  child.rows = rows_of_elements(view, in);
  view->children = LS_ARENA_NEW(in->scratch, ls_column);
  return make_view(view->children, plan->children, &child);
}

static int view_struct(ls_column *view, const ls_arrow_plan *plan, const span *in) {
  uint32_t n_fields = plan->type->n_fields;
  view->children = LS_ARENA_ARRAY(in->scratch, ls_column, n_fields);
  for (uint32_t i = 0; i < n_fields; i++) {
    const struct ArrowArray *field = in->array->children[plan->child_index[i]];
    span child = *in;
    child.array = field;
    child.first = field->offset + in->first;
    LS_TRY(make_view(&view->children[i], &plan->children[i], &child));
  }
  return LS_OK;
}

/* Faults of a dictionary's values are those of the rows that use them. */
static void note_value(void *payload, int64_t value, const char *reason) {
  const char **reasons = payload;
  reasons[value] = reason;
}

/* Values are looked up by index into a plain column; an index may also point at a null. */
static int view_dictionary(ls_column *view, const ls_arrow_plan *plan, const span *in) {
  const struct ArrowArray *dictionary = in->array->dictionary;
  int step = plan->width < 0 ? -plan->width : plan->width;
  span all = *in;
  all.array = dictionary;
  all.first = dictionary->offset;
  all.n = dictionary->length;
  const char **reasons = LS_ARENA_ARRAY(in->scratch, const char *, dictionary->length + 1);
  all.rows = NULL;
  all.on_fault = note_value;
  all.payload = reasons;
  ls_column values;
  LS_TRY(make_view(&values, plan->children, &all));
  int32_t *rows = LS_ARENA_ARRAY(in->scratch, int32_t, in->n);
  const char *from = values_at(in, 1, step);
  for (int64_t i = 0; i < in->n; i++) {
    int64_t index = -1;
    if (!ls__is_null(view, i) &&
        (!load_integer(&index, from + i * step, plan->width) || index < 0 || index >= dictionary->length)) {
      return ls_error_set(in->err, LS_EDATA, "column '%s': a dictionary index is out of range", in->column);
    }
    if (index >= 0 && reasons[index] != NULL) tell_fault(in, i, reasons[index]);
    rows[i] = (int32_t)index;
  }
  ls__column_init(view, plan->type, in->scratch, in->n);
  ls__column_gather(view, &values, rows, in->n);
  return LS_OK;
}

static int make_view(ls_column *view, const ls_arrow_plan *plan, const span *in) {
  memset(view, 0, sizeof *view);
  view->type = plan->type;
  view->n_rows = in->n;
  if (plan->op == OP_NULL) {
    ls__column_init(view, plan->type, in->scratch, in->n);
    ls__column_append_nulls(view, in->n);
    return LS_OK;
  }
  const void *validity = in->array->n_buffers > 0 ? in->array->buffers[0] : NULL;
  if (validity && in->array->null_count != 0) view->validity = view_bits(validity, in);
  switch (plan->op) {
  case OP_BITS:
    if (in->n > 0) view->values = view_bits(in->array->buffers[1], in);
    return LS_OK;
  case OP_PLAIN:
    view->values = (void *)(uintptr_t)values_at(in, 1, (int)ls__type_width(plan->type));
    check_plain(view, in);
    return LS_OK;
  case OP_INT:
    convert_integers(view, plan, in);
    return LS_OK;
  case OP_FLOAT:
    convert_floats(view, in);
    return LS_OK;
  case OP_DECIMAL:
    convert_decimals(view, plan, in);
    return LS_OK;
  case OP_TIME:
    convert_times(view, plan, in);
    return LS_OK;
  case OP_TEXT:
  case OP_TEXT_LARGE:
  case OP_TEXT_VIEW:
  case OP_TEXT_FIXED:
    return view_text(view, plan, in);
  case OP_LIST:
  case OP_LIST_LARGE:
    return view_list(view, plan, in);
  case OP_STRUCT:
    return view_struct(view, plan, in);
  case OP_DICTIONARY:
    return view_dictionary(view, plan, in);
  case OP_NULL:
    break;
  }
  return LS_OK;
}

int ls__arrow_append(ls_column *out, const ls_arrow_plan *plan, const struct ArrowArray *array, ls_arena *scratch,
                     const char *column, ls_arrow_fault_fn on_fault, void *payload, ls_error *err) {
  span in = {.array = array,
             .first = array->offset,
             .n = array->length,
             .scratch = scratch,
             .column = column,
             .err = err,
             .on_fault = on_fault,
             .payload = payload};
  ls_column view;
  LS_TRY(make_view(&view, plan, &in));
  if (view.offsets && view.n_rows > 0) {
    int64_t n_more = (int64_t)view.offsets[view.n_rows] - view.offsets[0];
    if (out->offsets[out->n_rows] + n_more > INT32_MAX) {
      return ls_error_set(err, LS_ELIMIT, "column '%s': more than 2 GiB in one batch", column);
    }
  }
  ls__column_append_range(out, &view, 0, view.n_rows);
  return LS_OK;
}
