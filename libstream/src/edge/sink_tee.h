/**
 * @file sink_tee.h
 * One sink of a task, two places: rows go to both ports. A port that takes no deletions gets none.
 */
#ifndef LS_EDGE_SINK_TEE_H
#define LS_EDGE_SINK_TEE_H
#include "port/sink.h"

typedef struct ls_sink_tee ls_sink_tee;
/** Borrows the ports. */
void ls__sink_tee_new(ls_sink_tee **out, ls_sink_port *first, ls_sink_port *second);
void ls__sink_tee_free(ls_sink_tee *tee);
ls_sink_port *ls__sink_tee_port(ls_sink_tee *tee);
#endif
