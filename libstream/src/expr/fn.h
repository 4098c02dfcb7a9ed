/** @file fn.h  Kernels and forms that the function table names. */
#ifndef LS_EXPR_FN_H
#define LS_EXPR_FN_H
#include "expr/text_out.h"

#define LS_EX_FORM(name)   ls_ex *name(ls_ex_compiler *c, const ls_ast *ast, ls_ex **args, uint32_t n_args)
#define LS_EX_KERNEL(name) void name(ls_column *out, const ls_ex_call *call)

/* fn_choice.c */
LS_EX_FORM(ls__fn_coalesce);
LS_EX_FORM(ls__fn_nullif);
LS_EX_FORM(ls__fn_if);
LS_EX_FORM(ls__fn_greatest);
LS_EX_FORM(ls__fn_least);
LS_EX_FORM(ls__fn_struct);
LS_EX_FORM(ls__fn_stream_time);
LS_EX_FORM(ls__fn_ingest_time);
LS_EX_FORM(ls__fn_event_time);
/* fn_math.c */
LS_EX_FORM(ls__fn_abs);
LS_EX_FORM(ls__fn_sign);
LS_EX_FORM(ls__fn_round);
LS_EX_FORM(ls__fn_floor);
LS_EX_FORM(ls__fn_ceil);
LS_EX_FORM(ls__fn_mod);
/* fn_string.c, fn_text.c */
LS_EX_KERNEL(ls__fn_lower);
LS_EX_KERNEL(ls__fn_upper);
LS_EX_KERNEL(ls__fn_char_length);
LS_EX_KERNEL(ls__fn_octet_length);
LS_EX_KERNEL(ls__fn_trim);
LS_EX_KERNEL(ls__fn_ltrim);
LS_EX_KERNEL(ls__fn_rtrim);
LS_EX_KERNEL(ls__fn_substr);
LS_EX_KERNEL(ls__fn_left);
LS_EX_KERNEL(ls__fn_right);
LS_EX_KERNEL(ls__fn_replace);
LS_EX_KERNEL(ls__fn_starts_with);
LS_EX_KERNEL(ls__fn_ends_with);
LS_EX_KERNEL(ls__fn_contains);
LS_EX_KERNEL(ls__fn_strpos);
LS_EX_KERNEL(ls__fn_lpad);
LS_EX_KERNEL(ls__fn_rpad);
LS_EX_KERNEL(ls__fn_split);
LS_EX_KERNEL(ls__fn_to_hex);
LS_EX_FORM(ls__fn_concat);
LS_EX_FORM(ls__fn_to_hex_form);
LS_EX_FORM(ls__fn_regexp_matches);
/* fn_time.c */
LS_EX_KERNEL(ls__fn_date);
LS_EX_KERNEL(ls__fn_epoch_us);
LS_EX_KERNEL(ls__fn_to_timestamp_us);
LS_EX_FORM(ls__fn_year);
LS_EX_FORM(ls__fn_quarter);
LS_EX_FORM(ls__fn_month);
LS_EX_FORM(ls__fn_day);
LS_EX_FORM(ls__fn_day_of_week);
LS_EX_FORM(ls__fn_hour);
LS_EX_FORM(ls__fn_minute);
LS_EX_FORM(ls__fn_second);
LS_EX_FORM(ls__fn_date_trunc);
LS_EX_FORM(ls__fn_date_diff);
/* fn_list.c */
LS_EX_FORM(ls__fn_length);
LS_EX_KERNEL(ls__fn_list_length);
LS_EX_FORM(ls__fn_list_compact);
LS_EX_FORM(ls__fn_list_sort);
LS_EX_FORM(ls__fn_list_distinct);
LS_EX_FORM(ls__fn_list_contains);
LS_EX_FORM(ls__fn_list_concat);
LS_EX_FORM(ls__fn_list_to_string);
#endif
