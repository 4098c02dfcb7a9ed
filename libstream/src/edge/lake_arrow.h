/**
 * @file lake_arrow.h
 * What the two C++ files share: Arrow's settings in this process, its errors as ours, files to read
 * at random.
 */
#ifndef LS_EDGE_LAKE_ARROW_H
#define LS_EDGE_LAKE_ARROW_H
#include "edge/lake_internal.h"

#include <arrow/io/interfaces.h>
#include <arrow/memory_pool.h>
#include <arrow/status.h>

#include <memory>
#include <string>

namespace ls_edge {

/**
 * Where all of Arrow's memory comes from. Sets Arrow's thread pools up at the first call.
 * @thread any
 */
arrow::MemoryPool *memory_pool();

/**
 * Fills err from a failed status; what names the file.
 * @param code_data for failures that are neither of the disk nor of the network: LS_EDATA when
 *        reading a file's format
 * @errors LS_ENOTFOUND, LS_EIO, LS_ERETRY, code_data
 */
int fail(ls_error *err, const arrow::Status &status, const std::string &what, int code_data = LS_EIO);

/**
 * A file opened for reading at random. On S3 the ETag tells later whether the object was
 * replaced.
 */
struct RandomFile {
  std::shared_ptr<arrow::io::RandomAccessFile> file;
  std::string name; /* as messages show it */
  std::string key;  /* S3: bucket/key */
  std::string etag; /* S3; empty: local or unknown */
  ls_s3 *s3 = nullptr;
  bool whole = false; /* the object was read in one request: it can't be a mixture */
};
int open_random(RandomFile *out, const ls_lake *lake, const char *path, ls_error *err);
/**
 * LS_ERETRY when the object has been replaced since it was opened, else LS_OK. Local files are
 * pinned by their fd.
 */
int check_not_replaced(const RandomFile &file, ls_error *err);

} // namespace ls_edge
#endif
