/** @file recon_proto.c  A schema plugin: the messages of proto/payments.proto, found by name. No functions. */
#include <libstream/udf.h>

#include "payments.pb-c.h"

static const ls_udf_message transaction = {sizeof(ls_udf_message), "payments.v1.Transaction",
                                           &payments__v1__transaction__descriptor};
static const ls_udf_message fraud_signal = {sizeof(ls_udf_message), "payments.v1.FraudSignal",
                                            &payments__v1__fraud_signal__descriptor};
static const ls_udf_message *const messages[] = {&transaction, &fraud_signal};

static const ls_udf_manifest manifest = {
    .magic = LS_UDF_MAGIC,
    .struct_size = sizeof(ls_udf_manifest),
    .abi_major = LS_UDF_ABI_MAJOR,
    .abi_minor = LS_UDF_ABI_MINOR,
    .name = "recon_proto",
    .version = "1.0.0",
    .messages = messages,
    .n_messages = sizeof(messages) / sizeof(messages[0]),
};

const ls_udf_manifest *ls_udf_entry_v1(void) {
  return &manifest;
}
