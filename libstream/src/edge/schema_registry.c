/** @file schema_registry.c  See schema_registry.h. One request at a time: answers are kept, so there are few. */
#include "edge/schema_registry.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "codec/wire_format.h"
#include "edge/registry_answer.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>

#define ANSWER_BYTES_MAX ((size_t)4 << 20)
#define KEPT_MAX         1000
#define KEPT_BYTES_MAX   ((size_t)16 << 20)
#define UNKNOWN_US       ((int64_t)10000000) /* so long an id that is not known is not asked for again */
#define SILENT_US        ((int64_t)500000)
#define TEXT_SHOWN       400

#define CODE_NO_SUBJECT 40401
#define CODE_NO_VERSION 40402
#define CODE_NO_SCHEMA  40403

typedef enum kind { KIND_UNKNOWN, KIND_JSON, KIND_PROTOBUF, KIND_OTHER } schema_kind;

/** A schema that was looked up. */
typedef struct kept {
  int32_t id;
  schema_kind kind;
  char *text; /* PROTOBUF */
  size_t len;
  int64_t used;     /* when, by the registry's count of uses */
  int64_t until_us; /* UNKNOWN: monotonic */
} kept;

struct ls_schema_registry {
  char *url, *username, *password, *token, *ca_file;
  long timeout_ms;
  pthread_mutex_t lock;
  CURL *curl;
  struct curl_slist *headers;
  ls_buf path, body, answer;
  bool too_long;
  ls_registry_reader *reader;
  kept *kept;
  size_t n_kept, n_bytes;
  int64_t n_uses;
  int64_t silent_until_us; /* monotonic: it has just failed, and others that ask are told so at once */
  char failure[1024];
};

/* ---- HTTP ---- */

static size_t on_bytes(char *bytes, size_t size, size_t n, void *payload) {
  ls_schema_registry *registry = payload;
  registry->too_long = registry->too_long || registry->answer.len + size * n > ANSWER_BYTES_MAX;
  if (registry->too_long) return 0;
  ls__buf_append(&registry->answer, bytes, size * n);
  return size * n;
}

static bool is_setup_fault(CURLcode code) {
  switch (code) {
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_URL_MALFORMAT:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_ISSUER_ERROR:
    return true;
  default:
    return false;
  }
}

static void set_up(ls_schema_registry *registry, char *why) {
  CURL *curl = registry->curl;
  curl_easy_reset(curl); /* connections stay */
  why[0] = 0;
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
  curl_easy_setopt(curl, CURLOPT_URL, registry->path.ptr);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L); /* credentials go nowhere else */
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, registry->timeout_ms);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, registry->timeout_ms);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  if (registry->ca_file != NULL) curl_easy_setopt(curl, CURLOPT_CAINFO, registry->ca_file);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "libstream");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, registry->headers);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, registry);
  if (registry->username != NULL) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(curl, CURLOPT_USERNAME, registry->username);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, registry->password);
  } else if (registry->token != NULL) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, registry->token);
  }
}

/** Sends registry->path (POST with a body, else GET); the answer is in registry->answer. */
static int request(ls_schema_registry *registry, const ls_buf *body, long *status, ls_error *err) {
  char why[CURL_ERROR_SIZE];
  set_up(registry, why);
  if (body != NULL) {
    curl_easy_setopt(registry->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
    curl_easy_setopt(registry->curl, CURLOPT_POSTFIELDS, body->ptr);
  }
  ls__buf_clear(&registry->answer);
  registry->too_long = false;
  CURLcode code = curl_easy_perform(registry->curl);
  *status = 0;
  if (registry->too_long)
    return ls_error_set(err, LS_ERETRY, "schema registry %s: an answer has more than %zu bytes", registry->url,
                        ANSWER_BYTES_MAX);
  if (code != CURLE_OK)
    return ls_error_set(err, is_setup_fault(code) ? LS_ECONFIG : LS_ERETRY, "schema registry %s: %s", registry->url,
                        why[0] != 0 ? why : curl_easy_strerror(code));
  curl_easy_getinfo(registry->curl, CURLINFO_RESPONSE_CODE, status);
  return LS_OK;
}

/** What the registry says of a failure, in one line. */
static void put_message(const ls_registry_answer *answer, bool read, char out[TEXT_SHOWN]) {
  size_t n = 0;
  out[0] = 0;
  if (!read || answer->message.ptr == NULL) return;
  n = (size_t)snprintf(out, TEXT_SHOWN, ": ");
  for (size_t i = 0; i < answer->message.len && n + 1 < TEXT_SHOWN; i++) {
    char c = answer->message.ptr[i];
    out[n++] = c >= ' ' && c < 127 ? c : ' ';
  }
  out[n] = 0;
}

/** The error of an answer that is not 200: credentials and what was asked for are the user's, all else may pass. */
static int refuse(ls_schema_registry *registry, long status, const char *what, ls_error *err) {
  char said[TEXT_SHOWN];
  ls_registry_answer answer;
  bool read = ls__registry_read(&answer, registry->reader, ls__buf_slice(&registry->answer));
  put_message(&answer, read, said);
  if (status == 401 || status == 403)
    return ls_error_set(err, LS_ECONFIG, "schema registry %s: %s is not allowed (HTTP %ld)%s; check its credentials",
                        registry->url, what, status, said);
  bool passes = status == 429 || status >= 500 || status == 408 || !read;
  return ls_error_set(err, passes ? LS_ERETRY : LS_ECONFIG, "schema registry %s: %s failed (HTTP %ld)%s", registry->url,
                      what, status, said);
}

/* ---- open, close ---- */

static void init_curl(void) {
  (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int check_url(const char *url, ls_error *err) {
  bool plain = strncmp(url, "http://", 7) == 0, tls = strncmp(url, "https://", 8) == 0;
  const char *host = strstr(url, "://");
  host = host != NULL ? host + 3 : url;
  /* the address is not shown: it may hold a password */
  if (memchr(host, '@', strcspn(host, "/?#")) != NULL)
    return ls_error_set(err, LS_ECONFIG,
                        "schema_registry: url holds a user; give username and password of their own instead");
  if (!plain && !tls)
    return ls_error_set(err, LS_ECONFIG, "schema_registry: url should begin with http:// or https://");
  if (host[0] == 0 || host[0] == '/' || host[strcspn(host, "?# \t\r\n")] != 0)
    return ls_error_set(err, LS_ECONFIG, "schema_registry: url should be http(s)://host:port/path and no more");
  return LS_OK;
}

static char *copy_of(const char *text) {
  return text != NULL ? ls__strdup(text) : NULL;
}

int ls__schema_registry_new(ls_schema_registry **out, const ls_schema_registry_opts *opts, ls_error *err) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  *out = NULL;
  LS_TRY(check_url(opts->url, err));
  pthread_once(&once, init_curl);
  ls_schema_registry *registry = LS_NEW(ls_schema_registry);
  pthread_mutex_init(&registry->lock, NULL);
  registry->url = ls__strdup(opts->url);
  for (size_t n = strlen(registry->url); registry->url[n - 1] == '/'; n--) registry->url[n - 1] = 0;
  registry->username = copy_of(opts->username);
  registry->password = copy_of(opts->password);
  registry->token = copy_of(opts->token);
  registry->ca_file = copy_of(opts->ca_file);
  registry->timeout_ms = (long)(opts->timeout_us / 1000);
  registry->kept = ls__calloc(KEPT_MAX, sizeof *registry->kept);
  registry->headers = curl_slist_append(NULL, "Content-Type: application/vnd.schemaregistry.v1+json");
  registry->headers =
      curl_slist_append(registry->headers, "Accept: application/vnd.schemaregistry.v1+json, application/json");
  registry->curl = curl_easy_init();
  int rc = registry->curl != NULL ? ls__registry_reader_new(&registry->reader, err)
                                  : ls_error_set(err, LS_ELIMIT, "schema registry: no memory for an HTTP client");
  if (rc < 0) {
    ls__schema_registry_free(registry);
    return rc;
  }
  if ((opts->password != NULL || opts->token != NULL) && strncmp(registry->url, "http://", 7) == 0)
    ls__log(LS_LOG_WARN, "edge", "credentials_in_clear", "schema_registry=%s", registry->url);
  *out = registry;
  return LS_OK;
}

static void free_secret(char *text) {
  if (text != NULL) explicit_bzero(text, strlen(text));
  ls__free(text);
}

void ls__schema_registry_free(ls_schema_registry *registry) {
  if (registry == NULL) return;
  if (registry->curl != NULL) curl_easy_cleanup(registry->curl);
  curl_slist_free_all(registry->headers);
  for (size_t i = 0; i < registry->n_kept; i++) ls__free(registry->kept[i].text);
  ls__free(registry->kept);
  ls__registry_reader_free(registry->reader);
  ls__buf_fini(&registry->path);
  ls__buf_fini(&registry->body);
  ls__buf_fini(&registry->answer);
  ls__free(registry->url);
  ls__free(registry->username);
  free_secret(registry->password);
  free_secret(registry->token);
  ls__free(registry->ca_file);
  pthread_mutex_destroy(&registry->lock);
  ls__free(registry);
}

static void set_path(ls_schema_registry *registry, const char *path) {
  ls__buf_clear(&registry->path);
  ls__buf_printf(&registry->path, "%s%s", registry->url, path);
}

int ls__schema_registry_probe(ls_schema_registry *registry, ls_error *err) {
  long status = 0;
  pthread_mutex_lock(&registry->lock);
  set_path(registry, "/schemas/types");
  int rc = request(registry, NULL, &status, err);
  if (rc >= 0 && status == 404)
    rc = ls_error_set(err, LS_ECONFIG,
                      "schema registry %s: there is none at this address (HTTP 404 for /schemas/types)", registry->url);
  else if (rc >= 0 && status != 200)
    rc = refuse(registry, status, "asking for its types", err);
  pthread_mutex_unlock(&registry->lock);
  return rc;
}

/* ---- schemas by id ---- */

static kept *find(ls_schema_registry *registry, int32_t id) {
  for (size_t i = 0; i < registry->n_kept; i++) {
    if (registry->kept[i].id == id) return &registry->kept[i];
  }
  return NULL;
}

static void drop(ls_schema_registry *registry, kept *at) {
  registry->n_bytes -= at->len;
  ls__free(at->text);
  *at = registry->kept[--registry->n_kept];
}

static void make_room(ls_schema_registry *registry, size_t len) {
  while (registry->n_kept > 0 && (registry->n_kept == KEPT_MAX || registry->n_bytes + len > KEPT_BYTES_MAX)) {
    kept *oldest = registry->kept;
    for (size_t i = 1; i < registry->n_kept; i++) {
      if (registry->kept[i].used < oldest->used) oldest = &registry->kept[i];
    }
    drop(registry, oldest);
  }
}

static kept *keep(ls_schema_registry *registry, int32_t id, schema_kind kind, ls_slice text) {
  make_room(registry, text.len);
  kept *to = &registry->kept[registry->n_kept++];
  *to = (struct kept){.id = id, .kind = kind};
  if (kind == KIND_UNKNOWN) to->until_us = ls__monotonic_us() + UNKNOWN_US;
  if (kind != KIND_PROTOBUF) return to;
  to->text = ls__strndup(text.ptr, text.len);
  to->len = text.len;
  registry->n_bytes += text.len;
  return to;
}

static schema_kind kind_of(const ls_registry_answer *answer) {
  if (answer->schema_type.ptr == NULL) return KIND_OTHER; /* Avro is not named */
  if (ls__slice_is(answer->schema_type, "JSON")) return KIND_JSON;
  return ls__slice_is(answer->schema_type, "PROTOBUF") ? KIND_PROTOBUF : KIND_OTHER;
}

/** A 404 counts only when it is the registry's own word: a wrong address or a proxy says 404 as well. */
static bool says(ls_schema_registry *registry, long status, int64_t code) {
  ls_registry_answer answer;
  return status == 404 && ls__registry_read(&answer, registry->reader, ls__buf_slice(&registry->answer)) &&
         answer.error_code == code;
}

static int look_up(ls_schema_registry *registry, int32_t id, kept **out, ls_error *err) {
  char path[64];
  long status = 0;
  snprintf(path, sizeof path, "/schemas/ids/%d", (int)id);
  set_path(registry, path);
  LS_TRY(request(registry, NULL, &status, err));
  if (says(registry, status, CODE_NO_SCHEMA)) {
    *out = keep(registry, id, KIND_UNKNOWN, (ls_slice){NULL, 0});
    return LS_OK;
  }
  snprintf(path, sizeof path, "looking up schema %d", (int)id);
  if (status != 200) return refuse(registry, status, path, err);
  ls_registry_answer answer;
  if (!ls__registry_read(&answer, registry->reader, ls__buf_slice(&registry->answer)) || answer.schema.ptr == NULL)
    return ls_error_set(err, LS_ERETRY, "schema registry %s: what it says of schema %d is no answer", registry->url,
                        (int)id);
  *out = keep(registry, id, kind_of(&answer), answer.schema);
  return LS_OK;
}

/** Many wait for the same registry: while it fails, each of them would wait for its own time-out. */
static int look_up_patiently(ls_schema_registry *registry, int32_t id, kept **out, ls_error *err) {
  if (ls__monotonic_us() < registry->silent_until_us) return ls_error_set(err, LS_ERETRY, "%s", registry->failure);
  int rc = look_up(registry, id, out, err);
  if (rc == LS_ERETRY) {
    registry->silent_until_us = ls__monotonic_us() + SILENT_US;
    snprintf(registry->failure, sizeof registry->failure, "%s", err != NULL ? err->message : "");
  }
  return rc;
}

static ls_wire_fault judge(const kept *schema, const char *message, const int32_t *path, uint32_t n_path) {
  if (schema->kind == KIND_UNKNOWN) return LS_WIRE_UNKNOWN;
  if (schema->kind != (message != NULL ? KIND_PROTOBUF : KIND_JSON)) return LS_WIRE_OTHER_TYPE;
  if (message == NULL) return LS_WIRE_OK;
  ls_slice text = {schema->text, schema->len};
  return ls__proto_names(text, path, n_path, message) ? LS_WIRE_OK : LS_WIRE_OTHER_MESSAGE;
}

int ls__schema_registry_judge(ls_schema_registry *registry, int32_t id, const char *message, const int32_t *path,
                              uint32_t n_path, ls_wire_fault *out, ls_error *err) {
  int rc = LS_OK;
  pthread_mutex_lock(&registry->lock);
  kept *schema = find(registry, id);
  if (schema != NULL && schema->kind == KIND_UNKNOWN && ls__monotonic_us() > schema->until_us) {
    drop(registry, schema);
    schema = NULL;
  }
  if (schema == NULL) rc = look_up_patiently(registry, id, &schema, err);
  if (rc >= 0) {
    schema->used = ++registry->n_uses;
    *out = judge(schema, message, path, n_path);
  }
  pthread_mutex_unlock(&registry->lock);
  return rc;
}

/* ---- subjects ---- */

/** Names of topics need no escapes in a path. */
static void set_subject(ls_schema_registry *registry, const char *subject, const char *what) {
  ls__buf_clear(&registry->path);
  ls__buf_printf(&registry->path, "%s/subjects/%s%s", registry->url, subject, what);
}

static int answer_id(ls_schema_registry *registry, int32_t *id, const char *subject, ls_error *err) {
  ls_registry_answer answer;
  bool read = ls__registry_read(&answer, registry->reader, ls__buf_slice(&registry->answer));
  if (!read || answer.id < 0 || answer.id > INT32_MAX)
    return ls_error_set(err, LS_ERETRY, "schema registry %s: its answer about subject %s has no id", registry->url,
                        subject);
  *id = (int32_t)answer.id;
  return LS_OK;
}

static int put_failed(ls_schema_registry *registry, long status, const char *subject, ls_error *err) {
  char said[TEXT_SHOWN], what[400];
  if (says(registry, status, CODE_NO_SUBJECT) || says(registry, status, CODE_NO_SCHEMA) ||
      says(registry, status, CODE_NO_VERSION))
    return ls_error_set(err, LS_ECONFIG,
                        "schema registry %s: subject %s does not have the schema of these rows; register it, or "
                        "set auto_register: true",
                        registry->url, subject);
  if (status == 409 || status == 422) {
    ls_registry_answer answer;
    bool read = ls__registry_read(&answer, registry->reader, ls__buf_slice(&registry->answer));
    put_message(&answer, read, said);
    return ls_error_set(err, LS_ECONFIG,
                        "schema registry %s: subject %s refuses the schema of these rows, which is not compatible with "
                        "what is there (HTTP %ld)%s",
                        registry->url, subject, status, said);
  }
  snprintf(what, sizeof what, "the schema of subject %.300s", subject);
  return refuse(registry, status, what, err);
}

int ls__schema_registry_put(ls_schema_registry *registry, int32_t *id, const ls_schema_put *put, ls_error *err) {
  long status = 0;
  pthread_mutex_lock(&registry->lock);
  set_subject(registry, put->subject, put->add ? "/versions" : "");
  ls__buf_clear(&registry->body);
  ls__buf_printf(&registry->body, "{\"schemaType\":\"%s\",\"schema\":", put->type);
  ls__buf_json_string(&registry->body, put->schema);
  ls__buf_putc(&registry->body, '}');
  int rc = request(registry, &registry->body, &status, err);
  if (rc >= 0)
    rc = status == 200 ? answer_id(registry, id, put->subject, err) : put_failed(registry, status, put->subject, err);
  pthread_mutex_unlock(&registry->lock);
  return rc;
}

static int take_newest(ls_schema_registry *registry, int32_t *id, ls_buf *text, const char *subject, ls_error *err) {
  ls_registry_answer answer;
  LS_TRY(answer_id(registry, id, subject, err));
  (void)ls__registry_read(&answer, registry->reader, ls__buf_slice(&registry->answer));
  if (kind_of(&answer) != KIND_PROTOBUF || answer.schema.ptr == NULL)
    return ls_error_set(err, LS_ECONFIG,
                        "schema registry %s: the newest schema of subject %s should be of type PROTOBUF", registry->url,
                        subject);
  ls__buf_append(text, answer.schema.ptr, answer.schema.len);
  return LS_OK;
}

int ls__schema_registry_newest(ls_schema_registry *registry, int32_t *id, ls_buf *text, const char *subject,
                               ls_error *err) {
  long status = 0;
  pthread_mutex_lock(&registry->lock);
  set_subject(registry, subject, "/versions/latest");
  int rc = request(registry, NULL, &status, err);
  if (rc >= 0)
    rc = status == 200 ? take_newest(registry, id, text, subject, err) : put_failed(registry, status, subject, err);
  pthread_mutex_unlock(&registry->lock);
  return rc;
}
