/** @file udf_call.c  What a plugin can ask of the host during a call (ls_udf_host), and instances. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "udf/udf_internal.h"

static void *host_alloc(ls_udf_call *call, size_t n_bytes, size_t align) {
  size_t extra = align > 16 ? align : 0; /* the arena itself aligns to 16 */
  char *ptr = ls__arena_alloc(call->arena, n_bytes + extra);
  if (extra != 0) ptr += (align - (uintptr_t)ptr % align) % align;
  return ptr;
}

/** A plugin that broke the rules of the ABI: the call fails, whatever it returns. */
static void blame(ls_udf_call *call, const char *what, int64_t row) {
  if (call->failed) return;
  call->failed = true;
  snprintf(call->text, sizeof(call->text), "it called %s for row %lld of %lld", what, (long long)row,
           (long long)call->n_rows);
}

static int32_t host_fail(ls_udf_call *call, int32_t code, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(call->text, sizeof(call->text), fmt, args);
  va_end(args);
  call->failed = true;
  return code < 0 ? code : LS_UDF_EFATAL;
}

static void host_fail_row(ls_udf_call *call, int64_t row, const char *fmt, ...) {
  if (row < 0 || row >= call->n_rows) {
    blame(call, "fail_row", row);
    return;
  }
  if (call->row_errors == NULL) {
    call->row_errors = LS_ARENA_ARRAY(call->arena, const char *, call->n_rows);
  }
  if (call->row_errors[row] != NULL) return; /* the first reason stays */
  char text[LS_UDF_TEXT_MAX];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof(text), fmt, args);
  va_end(args);
  call->row_errors[row] = ls__arena_strdup(call->arena, text);
}

static bool is_ascii(const char *ptr, size_t len) {
  uint64_t high = 0;
  for (; len >= 8; ptr += 8, len -= 8) {
    uint64_t word;
    memcpy(&word, ptr, 8);
    high |= word;
  }
  for (; len > 0; ptr++, len--) high |= (uint64_t)(unsigned char)*ptr;
  return (high & UINT64_C(0x8080808080808080)) == 0;
}

static void host_set_bytes(ls_udf_call *call, int64_t row, const char *ptr, size_t len) {
  bool in_range = row >= 0 && row < call->n_rows;
  ls_kind kind = call->bytes_kind;
  if (in_range && call->fields != NULL) kind = (ls_kind)call->fields[row].kind;
  if (!in_range || (kind != LS_STRING && kind != LS_BYTES)) {
    blame(call, in_range ? "set_bytes (whose result is neither string nor bytes)" : "set_bytes", row);
    return;
  }
  /* Text columns promise UTF-8 to every later reader (Parquet, JSON); a plugin's word is not enough. */
  if (kind == LS_STRING && !is_ascii(ptr, len) && !ls__utf8_valid((ls_slice){ptr, len})) {
    if (call->fields != NULL) {
      blame(call, "set_bytes with bytes that are not UTF-8", row);
    } else {
      host_fail_row(call, row, "the result of %s is not valid UTF-8", call->name);
    }
    return;
  }
  char *copy = ls__arena_alloc(call->arena, len + (len == 0));
  if (len > 0) memcpy(copy, ptr, len);
  call->bytes[row] = (ls_slice){copy, len};
}

static int64_t host_stream_time_us(const ls_udf_call *call, int64_t row) {
  if (call->stamps == NULL) return 0;
  ls_assert(row >= 0 && (call->fields != NULL || row < call->n_rows));
  return call->stamps[call->rows != NULL ? call->rows[row] : row].ts_us;
}

const ls_udf_host ls__udf_host = {sizeof(ls_udf_host), LS_UDF_ABI_MAJOR, LS_UDF_ABI_MINOR, host_alloc,
                                  host_fail,           host_fail_row,    host_set_bytes,   host_stream_time_us};

int ls__udf_call_result(const ls_udf_call *call, int32_t rc, int edata, ls_error *err) {
  if (rc == LS_UDF_OK && !call->failed) return LS_OK;
  const char *why = call->failed ? call->text : "it gives no reason";
  int code = rc == LS_UDF_EDATA ? edata : rc == LS_UDF_ERETRY ? LS_ERETRY : LS_EFUNCTION;
  return ls_error_set(err, code, "%s: %s", call->name, why);
}

/* ---- instances ---- */

static const ls_udf_plugin *plugin_of(const ls_udf_registry *registry, const void *function) {
  for (size_t i = 0; i < registry->n_plugins; i++) {
    const ls_udf_plugin *plugin = registry->plugins[i];
    for (uint32_t j = 0; j < plugin->manifest.n_fns; j++) {
      if (function == &plugin->fns[j]) return plugin;
    }
    for (uint32_t j = 0; j < plugin->manifest.n_aggs; j++) {
      if (function == &plugin->aggs[j]) return plugin;
    }
  }
  return NULL;
}

static int open_state(ls_udf_instance *instance, const ls_udf_registry *registry, const void *function,
                      const char *name, int32_t (*open)(const ls_udf_config *, void **), ls_error *err) {
  const ls_udf_plugin *plugin = plugin_of(registry, function);
  ls_assert(plugin != NULL);
  return open == NULL ? LS_OK : ls__udf_config_open(&instance->state, plugin, name, open, err);
}

int ls__udf_open_fn(ls_udf_instance **out, const ls_udf_registry *registry, const ls_udf_fn *fn, ls_error *err) {
  ls_udf_instance *instance = LS_NEW(ls_udf_instance);
  int rc = open_state(instance, registry, fn, fn->name, fn->open, err);
  if (rc < 0) {
    ls__free(instance);
    return rc;
  }
  instance->fn = fn;
  *out = instance;
  return LS_OK;
}

int ls__udf_open_agg(ls_udf_instance **out, const ls_udf_registry *registry, const ls_udf_agg *agg, ls_error *err) {
  ls_udf_instance *instance = LS_NEW(ls_udf_instance);
  int rc = open_state(instance, registry, agg, agg->name, agg->open, err);
  if (rc < 0) {
    ls__free(instance);
    return rc;
  }
  instance->agg = agg;
  instance->vecs = ls__calloc(agg->n_args + 1, sizeof(ls_udf_vec));
  instance->saved = ls__alloc(agg->acc_bytes);
  *out = instance;
  return LS_OK;
}

void ls__udf_close(ls_udf_instance *instance) {
  if (instance == NULL) return;
  void (*close)(void *) = instance->fn != NULL ? instance->fn->close : instance->agg->close;
  if (close != NULL) close(instance->state);
  ls__free(instance->vecs);
  ls__free(instance->saved);
  ls__free(instance);
}
