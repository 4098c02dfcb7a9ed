/** @file libstream.h  @brief Everything public. */
#ifndef LIBSTREAM_LIBSTREAM_H
#define LIBSTREAM_LIBSTREAM_H
#include <libstream/common.h>
#include <libstream/dlq.h>
#include <libstream/error.h>
#include <libstream/runtime.h>
#include <libstream/topology.h>
#include <libstream/udf.h>
#endif
