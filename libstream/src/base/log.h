/**
 * @file log.h
 * One line per event: level, room, stable event name, key=value pairs. Never payload values.
 * The sink is a callback; default writes to stderr. @thread any
 */
#ifndef LS_BASE_LOG_H
#define LS_BASE_LOG_H
#include <libstream/common.h>

typedef enum ls_log_level { LS_LOG_DEBUG, LS_LOG_INFO, LS_LOG_WARN, LS_LOG_ERROR } ls_log_level;
typedef void (*ls_log_fn)(ls_log_level level, const char *line, void *payload);

void ls__log_set(ls_log_level min_level, ls_log_fn sink /* NULL: stderr */, void *payload);
/** fmt gives the key=value part: ls__log(LS_LOG_WARN, "edge", "file_skipped", "file=%s", path). */
void ls__log(ls_log_level level, const char *room, const char *event, const char *fmt, ...) LS_PRINTF(4, 5);
#endif
