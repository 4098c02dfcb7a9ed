/**
 * @file arrow_bridge.h
 * Columns over the Arrow C Data Interface, both ways, in plain C. Outwards nothing is copied: Arrow
 * gets pointers into our buffers, valid only during the call they are made for. Inwards each buffer
 * is appended to a column with one copy, after a conversion where Arrow has several layouts of what
 * is one type here.
 */
#ifndef LS_EDGE_ARROW_BRIDGE_H
#define LS_EDGE_ARROW_BRIDGE_H
#ifdef __cplusplus
extern "C" {
#endif
#include "data/batch.h"

/*
 * The interface's two structs, as its specification prints them to be copied, under its own guard:
 * nothing but the C++ files needs Arrow's headers.
 */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE           2
#define ARROW_FLAG_MAP_KEYS_SORTED    4

struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};
#endif

/** Schema as an Arrow struct type; the receiver releases it. */
void ls__arrow_export_schema(struct ArrowSchema *out, const ls_schema *schema);
/**
 * Rows [first, first + n) of the columns as an Arrow struct array.
 * @owner the columns' buffers stay ours: they must outlive the array
 */
void ls__arrow_export_rows(struct ArrowArray *out, const ls_schema *schema, const ls_column *columns, int64_t first,
                           int64_t n);

/** How one Arrow column becomes one of ours: decided once per file. */
typedef struct ls_arrow_plan ls_arrow_plan;
/**
 * Compares an Arrow type with a column type. Accepted: the same type in any of Arrow's layouts, and
 * widenings that are exact or checked value by value (integers, decimals, float32, time units,
 * dictionary-encoded values).
 * @owner out: arena
 * @errors LS_EDATA naming column (the types do not fit)
 */
int ls__arrow_plan_new(ls_arrow_plan **out, ls_arena *arena, const ls_type *type, const struct ArrowSchema *schema,
                       const char *column, ls_error *err);
/** Row of the array whose value the type cannot hold; reason: a code of ls_bad_record. */
typedef void (*ls_arrow_fault_fn)(void *payload, int64_t row, const char *reason);
/**
 * Appends all rows of an Arrow array to a column. scratch holds what is converted; it may be reset
 * after the call. Rows with a value that the type cannot hold exactly, or with text that is not
 * UTF-8, are told through on_fault, perhaps several times; what stands there is no value.
 * @errors LS_EDATA naming column (the array is broken); out is then as it was. LS_ELIMIT above 2 GiB
 *         of bytes in one column.
 */
int ls__arrow_append(ls_column *out, const ls_arrow_plan *plan, const struct ArrowArray *array, ls_arena *scratch,
                     const char *column, ls_arrow_fault_fn on_fault, void *payload, ls_error *err);

#ifdef __cplusplus
}
#endif
#endif
