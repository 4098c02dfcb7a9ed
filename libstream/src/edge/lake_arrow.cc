/**
 * @file lake_arrow.cc
 * Arrow behind the lake: S3, decompression, and Arrow's own errors. Credentials, region and
 * endpoint come from the usual AWS variables and are never part of a message.
 */
#include "edge/lake_arrow.h"

#include <arrow/buffer.h>
#include <arrow/filesystem/filesystem.h>
#include <arrow/filesystem/s3fs.h>
#include <arrow/io/file.h>
#include <arrow/io/memory.h>
#include <arrow/util/compression.h>
#include <arrow/util/future.h>
#include <arrow/util/io_util.h>
#include <arrow/util/key_value_metadata.h>
#include <arrow/util/thread_pool.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <unistd.h>

namespace fs = arrow::fs;
using arrow::Status;

extern "C" {
#include "base/alloc.h"
}

namespace {

constexpr int io_threads = 4;
constexpr int s3_attempts = 4; /* of one request, with the SDK's backoff: about 10 s in all */
constexpr int s3_attempts_max = 20;
constexpr double s3_connect_timeout_s = 5;
constexpr int64_t s3_block_bytes = 4 << 20;  /* of a sequential read; one block is read ahead */
constexpr int64_t s3_whole_bytes = 32 << 20; /* objects up to this size are read in one request */
constexpr size_t upload_block_bytes = 1 << 20;

bool has(const std::string &text, const char *part) {
  return text.find(part) != std::string::npos;
}

bool has_any(const std::string &text, std::initializer_list<const char *> parts) {
  for (const char *part : parts) {
    if (has(text, part)) return true;
  }
  return false;
}

/* Arrow gives S3's failures as text only: the SDK's error name, and the HTTP status where it
 * has no name for it. */
int s3_code(const std::string &text, const char **hint) {
  *hint = "";
  /* first, because one server answers 404 to an unknown access key */
  bool about_key = has_any(text, {"access key", "AccessKey"});
  if (!about_key && has_any(text, {"NO_SUCH_BUCKET", "NO_SUCH_KEY", "RESOURCE_NOT_FOUND", "NoSuchBucket",
                                   "HTTP status 404", "does not exist"})) {
    return LS_ENOTFOUND;
  }
  if (about_key || has_any(text, {"ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH",
                                  "INVALID_SIGNATURE", "UNRECOGNIZED_CLIENT", "INVALID_CLIENT_TOKEN_ID",
                                  "MISSING_AUTHENTICATION_TOKEN", "EXPIRED_TOKEN", "ExpiredToken", "InvalidAccessKeyId",
                                  "SignatureDoesNotMatch", "HTTP status 401", "HTTP status 403"})) {
    *hint = " (the credentials are wrong, expired, missing or lack the right)";
    return LS_EIO;
  }
  if (has_any(text,
              {"NETWORK_CONNECTION", "SLOW_DOWN", "SlowDown", "THROTTLING", "SERVICE_UNAVAILABLE", "INTERNAL_FAILURE",
               "InternalError", "REQUEST_TIMEOUT", "HTTP status 5", "curlCode", "Timeout was reached"})) {
    return LS_ERETRY;
  }
  return LS_EIO;
}

/* A secret has no business in an SDK message; should one be there, it goes no further. */
std::string without_secrets(std::string text) {
  for (const char *name : {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}) {
    const char *secret = std::getenv(name);
    if (!secret || !secret[0]) continue;
    for (size_t at; (at = text.find(secret)) != std::string::npos;) text.replace(at, std::strlen(secret), "***");
  }
  for (char &c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return text;
}

int fail_s3(ls_error *err, const Status &status, const std::string &what) {
  const char *hint = "";
  int error_number = arrow::internal::ErrnoFromStatus(status);
  int code = error_number == ENOENT ? LS_ENOTFOUND : s3_code(status.message(), &hint);
  return ls_error_set(err, code, "s3://%s%s: %s", what.c_str(), hint, without_secrets(status.message()).c_str());
}

/* The wheel's TLS library looks for certificates where its build machine had them. */
void find_certificates() {
  const char *set = std::getenv("AWS_CA_BUNDLE");
  if (!set || !set[0]) set = std::getenv("SSL_CERT_FILE");
  fs::FileSystemGlobalOptions options;
  for (const char *file : {set, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                           "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"}) {
    if (!file || access(file, R_OK) != 0) continue;
    options.tls_ca_file_path = file;
    break;
  }
  (void)fs::Initialize(options);
}

/**
 * The SDK has to be shut down before its static objects go, and exit() runs handlers and
 * destructors in the reverse order of their making. Statics are made with the first client and by
 * the first requests, so this is called after the one and, when a lake is closed, after the others:
 * the latest handler runs first, the other finds nothing to do.
 */
void finalize_at_exit(std::once_flag *once) {
  std::call_once(*once, [] { std::atexit([] { (void)fs::EnsureS3Finalized(); }); });
}

std::once_flag finalize_after_client, finalize_after_requests;

/* Starts the SDK, once per process. */
Status start_s3() {
  static std::once_flag once;
  static Status started;
  std::call_once(once, [] {
    ls_edge::memory_pool();
    find_certificates();
    fs::S3GlobalOptions options = fs::S3GlobalOptions::Defaults();
    if (!std::getenv("ARROW_S3_LOG_LEVEL")) options.log_level = fs::S3LogLevel::Off; /* failures reach us as errors */
    options.install_sigpipe_handler = false;
    started = fs::InitializeS3(options);
  });
  return started;
}

const char *env(const char *name, const char *other = nullptr) {
  const char *value = std::getenv(name);
  if ((!value || !value[0]) && other) value = std::getenv(other);
  return value && value[0] ? value : nullptr;
}

int set_endpoint(fs::S3Options *options, const char *endpoint, ls_error *err) {
  std::string host = endpoint;
  size_t scheme_end = host.find("://");
  if (scheme_end != std::string::npos) {
    options->scheme = host.substr(0, scheme_end);
    host = host.substr(scheme_end + 3);
  }
  while (!host.empty() && host.back() == '/') host.pop_back();
  bool scheme_known = options->scheme == "http" || options->scheme == "https";
  if (!scheme_known || host.empty() || has_any(host, {"/", "@"})) {
    return ls_error_set(err, LS_ECONFIG, "AWS_ENDPOINT_URL: want http://host:port or https://host:port");
  }
  options->endpoint_override = host;
  return LS_OK;
}

/* Without a region the SDK would ask the EC2 metadata service, which takes seconds where there
 * is none. */
void set_region(fs::S3Options *options, const char *bucket) {
  const char *region = env("AWS_REGION", "AWS_DEFAULT_REGION");
  if (region) {
    options->region = region;
  } else if (env("AWS_PROFILE")) {
    return; /* the profile names it */
  } else if (!options->endpoint_override.empty()) {
    options->region = "us-east-1";
  } else {
    options->region = fs::ResolveS3BucketRegion(bucket).ValueOr("");
  }
}

/* The SDK's own variable; the SDK reads it for strategies of its own making only. */
int set_attempts(fs::S3Options *options, ls_error *err) {
  const char *text = env("AWS_MAX_ATTEMPTS");
  char *end = nullptr;
  long n = text ? std::strtol(text, &end, 10) : s3_attempts;
  if (text && (*end || n < 1 || n > s3_attempts_max)) {
    return ls_error_set(err, LS_ECONFIG, "AWS_MAX_ATTEMPTS: want a number from 1 to %d", s3_attempts_max);
  }
  options->retry_strategy = fs::S3RetryStrategy::GetAwsStandardRetryStrategy(n);
  return LS_OK;
}

int make_options(fs::S3Options *options, const char *bucket, ls_error *err) {
  *options = fs::S3Options::Defaults();
  const char *endpoint = env("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
  if (endpoint) LS_TRY(set_endpoint(options, endpoint, err));
  set_region(options, bucket);
  /* Servers behind an endpoint of their own take bucket names in the path, unless told
   * otherwise. */
  const char *addressing = env("LS_S3_ADDRESSING");
  if (addressing && std::strcmp(addressing, "virtual") != 0 && std::strcmp(addressing, "path") != 0) {
    return ls_error_set(err, LS_ECONFIG, "LS_S3_ADDRESSING: want 'path' or 'virtual'");
  }
  options->force_virtual_addressing = addressing && std::strcmp(addressing, "virtual") == 0;
  options->connect_timeout = s3_connect_timeout_s;
  LS_TRY(set_attempts(options, err));
  options->allow_delayed_open = true; /* a small file is one PUT */
  return LS_OK;
}

std::string etag_of(const std::shared_ptr<arrow::io::RandomAccessFile> &file) {
  auto metadata = file->ReadMetadata();
  if (!metadata.ok() || !*metadata) return "";
  return (*metadata)->Get("ETag").ValueOr("");
}

} // namespace

struct ls_s3 {
  std::shared_ptr<fs::S3FileSystem> fs;
  std::string bucket;
  std::atomic<bool> bucket_seen{false};
};

namespace ls_edge {

/* malloc, not Arrow's default pool: what is freed goes back, and a budget of ours sees one heap
 * only. */
arrow::MemoryPool *memory_pool() {
  static std::once_flag once;
  std::call_once(once, [] {
    (void)arrow::io::SetIOThreadPoolCapacity(io_threads);
    (void)arrow::SetCpuThreadPoolCapacity(1); /* never used by us; no thread starts before its first task */
  });
  return arrow::system_memory_pool();
}

int fail(ls_error *err, const Status &status, const std::string &what, int code_data) {
  int error_number = arrow::internal::ErrnoFromStatus(status);
  if (error_number) return ls__local_fail(err, error_number, "read or write", what.c_str());
  if (has(status.message(), "AWS Error")) return fail_s3(err, status, what);
  if (status.IsOutOfMemory()) code_data = LS_ELIMIT;
  return ls_error_set(err, code_data, "%s: %s", what.c_str(), without_secrets(status.message()).c_str());
}

/* A small object comes in one request: fewer round trips, and no mixture of an old and a new
 * version. */
static Status open_s3(RandomFile *out) {
  ARROW_ASSIGN_OR_RAISE(out->file, out->s3->fs->OpenInputFile(out->key));
  out->etag = etag_of(out->file);
  ARROW_ASSIGN_OR_RAISE(int64_t size, out->file->GetSize());
  if (size > s3_whole_bytes) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(auto bytes, out->file->ReadAt(0, size));
  out->file = std::make_shared<arrow::io::BufferReader>(bytes);
  out->whole = true;
  return Status::OK();
}

int open_random(RandomFile *out, const ls_lake *lake, const char *path, ls_error *err) {
  LS_TRY(ls__lake_check_path(path, err));
  ls_buf name = LS_BUF_INIT;
  ls__lake_describe(&name, lake, path);
  out->name = name.ptr;
  ls__buf_fini(&name);
  char *full = ls__lake_full_path(lake, path);
  out->key = full;
  ls__free(full);
  if (lake->local) {
    auto file = arrow::io::ReadableFile::Open(out->key, memory_pool());
    if (!file.ok()) return fail(err, file.status(), out->name);
    out->file = *file;
    return LS_OK;
  }
  out->s3 = lake->s3;
  Status status = open_s3(out);
  return status.ok() ? LS_OK : fail_s3(err, status, out->key);
}

int check_not_replaced(const RandomFile &file, ls_error *err) {
  if (!file.s3 || file.etag.empty()) return LS_OK;
  auto again = file.s3->fs->OpenInputFile(file.key);
  if (again.ok() && etag_of(*again) == file.etag) return LS_OK;
  return ls_error_set(err, LS_ERETRY, "%s: the object was replaced while it was read", file.name.c_str());
}

} // namespace ls_edge

using ls_edge::fail;

/* -- S3 ---------------------------------------------------------------------------------------- */

extern "C" int ls__s3_open(ls_s3 **out, const char *bucket, ls_error *err) try {
  Status status = start_s3();
  if (!status.ok()) return fail(err, status, "S3");
  fs::S3Options options;
  LS_TRY(make_options(&options, bucket, err));
  auto made = fs::S3FileSystem::Make(options, arrow::io::IOContext(ls_edge::memory_pool()));
  if (!made.ok()) return fail_s3(err, made.status(), bucket);
  finalize_at_exit(&finalize_after_client);
  *out = new ls_s3{*made, bucket};
  return LS_OK;
} catch (const std::exception &e) {
  return ls_error_set(err, LS_EIO, "s3://%s: %s", bucket, e.what());
}

extern "C" void ls__s3_close(ls_s3 *s3) {
  delete s3;
  finalize_at_exit(&finalize_after_requests);
}

/* An empty listing may mean that there is no such bucket: a wrong root must not look like a day
 * without files. */
static int check_bucket(ls_s3 *s3, const char *key, ls_error *err) {
  if (s3->bucket_seen) return LS_OK;
  auto info = s3->fs->GetFileInfo(s3->bucket);
  if (!info.ok()) return fail_s3(err, info.status(), key);
  if (info->type() == fs::FileType::NotFound) {
    return ls_error_set(err, LS_ENOTFOUND, "s3://%s: there is no bucket '%s'", key, s3->bucket.c_str());
  }
  s3->bucket_seen = true;
  return LS_OK;
}

extern "C" int ls__s3_list(ls_lake_entries *out, ls_s3 *s3, const char *key, ls_error *err) try {
  fs::FileSelector select;
  select.base_dir = key;
  select.allow_not_found = true;
  auto infos = s3->fs->GetFileInfo(select);
  if (!infos.ok()) return fail_s3(err, infos.status(), key);
  if (infos->empty()) LS_TRY(check_bucket(s3, key, err));
  for (const fs::FileInfo &info : *infos) {
    if (info.type() != fs::FileType::File && info.type() != fs::FileType::Directory) continue;
    ls__lake_entries_add(out, ls__strdup(info.base_name().c_str()), info.IsDirectory(), info.size());
  }
  return LS_OK;
} catch (const std::exception &e) {
  return ls_error_set(err, LS_EIO, "s3://%s: %s", key, e.what());
}

extern "C" int ls__s3_stat(bool *is_file, int64_t *size_bytes, ls_s3 *s3, const char *key, ls_error *err) try {
  auto info = s3->fs->GetFileInfo(std::string(key));
  if (!info.ok()) return fail_s3(err, info.status(), key);
  *is_file = info->type() == fs::FileType::File;
  *size_bytes = *is_file ? info->size() : 0;
  return LS_OK;
} catch (const std::exception &e) {
  return ls_error_set(err, LS_EIO, "s3://%s: %s", key, e.what());
}

extern "C" int ls__s3_remove(ls_s3 *s3, const char *key, ls_error *err) try {
  bool is_file = false;
  int64_t size_bytes = 0;
  LS_TRY(ls__s3_stat(&is_file, &size_bytes, s3, key, err));
  if (!is_file) return LS_OK;
  Status status = s3->fs->DeleteFile(key);
  return status.ok() ? LS_OK : fail_s3(err, status, key);
} catch (const std::exception &e) {
  return ls_error_set(err, LS_EIO, "s3://%s: %s", key, e.what());
}

/* Sends the open file; the object appears when the stream is closed, and not at all when it is
 * aborted. */
static int send_file(arrow::io::OutputStream *stream, int fd, const char *file, const char *key, ls_error *err) {
  auto block = std::make_unique<char[]>(upload_block_bytes);
  for (;;) {
    ssize_t n = read(fd, block.get(), upload_block_bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ls__local_fail(err, errno, "read", file);
    if (n == 0) break;
    Status status = stream->Write(block.get(), n);
    if (!status.ok()) return fail_s3(err, status, key);
  }
  Status status = stream->Close();
  return status.ok() ? LS_OK : fail_s3(err, status, key);
}

extern "C" int ls__s3_upload(ls_s3 *s3, const char *file, const char *key, ls_error *err) try {
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ls__local_fail(err, errno, "open", file);
  auto stream = s3->fs->OpenOutputStream(key, nullptr);
  int rc = stream.ok() ? send_file(stream->get(), fd, file, key, err) : fail_s3(err, stream.status(), key);
  if (rc < 0 && stream.ok()) (void)(*stream)->Abort();
  close(fd);
  return rc;
} catch (const std::exception &e) {
  return ls_error_set(err, LS_EIO, "s3://%s: %s", key, e.what());
}

extern "C" int ls__s3_copy(ls_s3 *s3, const char *from, const char *to, ls_error *err) try {
  Status status = s3->fs->CopyFile(from, to);
  return status.ok() ? LS_OK : fail_s3(err, status, from);
} catch (const std::exception &e) {
  return ls_error_set(err, LS_EIO, "s3://%s: %s", from, e.what());
}

/* A sequential reader that has the next block under way while the current one is used up. */
struct ls_s3_reader {
  ls_edge::RandomFile file;
  int64_t size = 0, next = 0; /* next: where the block under way ends */
  std::shared_ptr<arrow::Buffer> block;
  int64_t block_pos = 0;
  arrow::Future<std::shared_ptr<arrow::Buffer>> ahead;
  bool checked = false;
};

static void read_ahead(ls_s3_reader *reader) {
  if (reader->next >= reader->size) {
    reader->ahead = {};
    return;
  }
  int64_t n = std::min(s3_block_bytes, reader->size - reader->next);
  reader->ahead = reader->file.file->ReadAsync(arrow::io::IOContext(ls_edge::memory_pool()), reader->next, n);
  reader->next += n;
}

extern "C" int ls__s3_reader_open(ls_s3_reader **out, ls_s3 *s3, const char *key, ls_error *err) try {
  auto reader = std::make_unique<ls_s3_reader>();
  reader->file.key = key;
  reader->file.name = std::string("s3://") + key;
  reader->file.s3 = s3;
  auto file = s3->fs->OpenInputFile(std::string(key));
  if (!file.ok()) return fail_s3(err, file.status(), key);
  auto size = (*file)->GetSize();
  if (!size.ok()) return fail_s3(err, size.status(), key);
  reader->file.file = *file;
  reader->file.etag = etag_of(*file);
  reader->size = *size;
  read_ahead(reader.get());
  *out = reader.release();
  return LS_OK;
} catch (const std::exception &e) {
  return ls_error_set(err, LS_EIO, "s3://%s: %s", key, e.what());
}

/* Takes over the block under way. A block that is short, or an object that changed, is no end
 * of file. */
static int next_block(ls_s3_reader *reader, ls_error *err) {
  int64_t want = reader->next - (reader->next - 1) / s3_block_bytes * s3_block_bytes;
  auto block = reader->ahead.result();
  if (!block.ok()) {
    LS_TRY(ls_edge::check_not_replaced(reader->file, err));
    return fail_s3(err, block.status(), reader->file.key);
  }
  reader->block = *block;
  reader->block_pos = 0;
  if (reader->block->size() != want) {
    return ls_error_set(err, LS_ERETRY, "%s: the object became shorter while it was read", reader->file.name.c_str());
  }
  read_ahead(reader);
  return LS_OK;
}

extern "C" int ls__s3_reader_read(ls_s3_reader *reader, void *buffer, size_t n_bytes, size_t *n_read,
                                  ls_error *err) try {
  *n_read = 0;
  if (!reader->block || reader->block_pos == reader->block->size()) {
    if (!reader->ahead.is_valid()) {
      /* of a single block there can be no mixture */
      if (reader->checked || reader->size <= s3_block_bytes) return LS_OK;
      reader->checked = true;
      return ls_edge::check_not_replaced(reader->file, err);
    }
    LS_TRY(next_block(reader, err));
  }
  size_t left = static_cast<size_t>(reader->block->size() - reader->block_pos);
  *n_read = std::min(left, n_bytes);
  std::memcpy(buffer, reader->block->data() + reader->block_pos, *n_read);
  reader->block_pos += static_cast<int64_t>(*n_read);
  return LS_OK;
} catch (const std::exception &e) {
  return ls_error_set(err, LS_EIO, "%s: %s", reader->file.name.c_str(), e.what());
}

extern "C" void ls__s3_reader_close(ls_s3_reader *reader) {
  if (reader->ahead.is_valid()) reader->ahead.Wait();
  delete reader;
}

/* -- decompression ----------------------------------------------------------------------------- */

struct ls_inflater {
  std::unique_ptr<arrow::util::Codec> codec; /* outlives its decompressor */
  std::shared_ptr<arrow::util::Decompressor> decompressor;
};

static bool ends_with(const std::string &text, const char *suffix) {
  size_t len = std::strlen(suffix);
  return text.size() >= len && text.compare(text.size() - len, len, suffix) == 0;
}

static Status make_decoder(ls_inflater *decoder, arrow::Compression::type type) {
  ARROW_ASSIGN_OR_RAISE(decoder->codec, arrow::util::Codec::Create(type));
  return decoder->codec->MakeDecompressor().Value(&decoder->decompressor);
}

extern "C" int ls__inflater_new(ls_inflater **out, const char *name, ls_error *err) {
  *out = nullptr;
  arrow::Compression::type type = ends_with(name, ".gz")    ? arrow::Compression::GZIP
                                  : ends_with(name, ".zst") ? arrow::Compression::ZSTD
                                  : ends_with(name, ".lz4") ? arrow::Compression::LZ4_FRAME
                                                            : arrow::Compression::UNCOMPRESSED;
  if (type == arrow::Compression::UNCOMPRESSED) return LS_OK;
  auto decoder = std::make_unique<ls_inflater>();
  Status status = make_decoder(decoder.get(), type);
  if (!status.ok()) return fail(err, status, name);
  *out = decoder.release();
  return LS_OK;
}

extern "C" int ls__inflater_step(ls_inflater *decoder, ls_slice in, size_t *n_used, void *out, size_t out_bytes,
                                 size_t *n_made, bool *finished, ls_error *err) {
  static const uint8_t nothing = 0;
  auto *from = in.len ? reinterpret_cast<const uint8_t *>(in.ptr) : &nothing;
  auto result = decoder->decompressor->Decompress(static_cast<int64_t>(in.len), from, static_cast<int64_t>(out_bytes),
                                                  static_cast<uint8_t *>(out));
  if (!result.ok()) {
    return ls_error_set(err, LS_EDATA, "the compressed data is corrupt: %s", result.status().message().c_str());
  }
  *n_used = static_cast<size_t>(result->bytes_read);
  *n_made = static_cast<size_t>(result->bytes_written);
  *finished = decoder->decompressor->IsFinished();
  if (!*finished) return LS_OK;
  Status status = decoder->decompressor->Reset(); /* the next member or frame */
  return status.ok() ? LS_OK : fail(err, status, "decompression");
}

extern "C" void ls__inflater_free(ls_inflater *decoder) {
  delete decoder;
}
