/** @file proto_samples.c  A schema plugin of the tests: the messages of tests/unit/codec/helper_*.proto. */
#include <libstream/udf.h>

#include "../../codec/helper_order.pb-c.c"
#include "../../codec/helper_payment.pb-c.c"
#include "../../codec/helper_timestamp.pb-c.c"

static const ls_udf_message payment = {sizeof(ls_udf_message), "test.Payment", &test__payment__descriptor};
static const ls_udf_message order = {sizeof(ls_udf_message), "test.Order", &test__order__descriptor};
static const ls_udf_message item = {sizeof(ls_udf_message), "test.Order.Item", &test__order__item__descriptor};
static const ls_udf_message *const messages[] = {&payment, &order, &item};

static const ls_udf_manifest manifest = {.magic = LS_UDF_MAGIC,
                                         .struct_size = sizeof(ls_udf_manifest),
                                         .abi_major = LS_UDF_ABI_MAJOR,
                                         .abi_minor = LS_UDF_ABI_MINOR,
                                         .name = "proto_samples",
                                         .version = "1.0.0",
                                         .messages = messages,
                                         .n_messages = sizeof messages / sizeof *messages};

const ls_udf_manifest *ls_udf_entry_v1(void);
const ls_udf_manifest *ls_udf_entry_v1(void) {
  return &manifest;
}
