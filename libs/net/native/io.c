/* Moving bytes: read, write and their vector forms on caller-owned memory. Nothing here allocates. */
#define _GNU_SOURCE
#include "addon.h"
#include <sys/uio.h>
#include <unistd.h>

enum { MAX_VECTOR = 64 };

static napi_value js_read(napi_env env, napi_callback_info info) {
  ARGS(4);
  struct bytes b;
  ssize_t n;
  int fd = arg_int(env, a[0]);
  if (!arg_slice(env, a[1], a[2], a[3], &b)) return ret_int(env, -EINVAL);
  do n = read(fd, b.at, b.length);
  while (n < 0 && errno == EINTR);
  return ret_errno(env, n);
}

static napi_value js_write(napi_env env, napi_callback_info info) {
  ARGS(4);
  struct bytes b;
  ssize_t n;
  int fd = arg_int(env, a[0]);
  if (!arg_slice(env, a[1], a[2], a[3], &b)) return ret_int(env, -EINVAL);
  do n = write(fd, b.at, b.length);
  while (n < 0 && errno == EINTR);
  return ret_errno(env, n);
}

/* Reads `count` pairs (offset, length) of an Int32Array as parts of one Uint8Array. */
static int arg_spans(napi_env env, napi_value *a, struct iovec *vector) {
  struct bytes slab, spans;
  int count = arg_int(env, a[2]);
  if (!arg_array(env, a[0], napi_uint8_array, &slab) || !arg_array(env, a[1], napi_int32_array, &spans)) return -1;
  if (count < 1 || count > MAX_VECTOR || (size_t)count * 8 > spans.length) return -1;
  const int32_t *pair = (const int32_t *)spans.at;
  for (int i = 0; i < count; i++, pair += 2) {
    if (pair[0] < 0 || pair[1] < 0 || (size_t)pair[0] + (size_t)pair[1] > slab.length) return -1;
    vector[i] = (struct iovec){slab.at + pair[0], (size_t)pair[1]};
  }
  return count;
}

/* readvSpans(fd, slab, spans, count) */
static napi_value js_readv_spans(napi_env env, napi_callback_info info) {
  ARGS(4);
  struct iovec vector[MAX_VECTOR];
  ssize_t n;
  int fd = arg_int(env, a[0]), count = arg_spans(env, a + 1, vector);
  if (count < 0) return ret_int(env, -EINVAL);
  do n = readv(fd, vector, count);
  while (n < 0 && errno == EINTR);
  return ret_errno(env, n);
}

static napi_value js_writev_spans(napi_env env, napi_callback_info info) {
  ARGS(4);
  struct iovec vector[MAX_VECTOR];
  ssize_t n;
  int fd = arg_int(env, a[0]), count = arg_spans(env, a + 1, vector);
  if (count < 0) return ret_int(env, -EINVAL);
  do n = writev(fd, vector, count);
  while (n < 0 && errno == EINTR);
  return ret_errno(env, n);
}

/* The whole of each Uint8Array in an array of at most 64. */
static int arg_buffers(napi_env env, napi_value list, struct iovec *vector) {
  uint32_t count;
  if (napi_get_array_length(env, list, &count) != napi_ok || count < 1 || count > MAX_VECTOR) return -1;
  for (uint32_t i = 0; i < count; i++) {
    napi_value item;
    struct bytes b;
    if (napi_get_element(env, list, i, &item) != napi_ok || !arg_array(env, item, napi_uint8_array, &b)) return -1;
    vector[i] = (struct iovec){b.at, b.length};
  }
  return (int)count;
}

static napi_value js_readv(napi_env env, napi_callback_info info) {
  ARGS(2);
  struct iovec vector[MAX_VECTOR];
  ssize_t n;
  int fd = arg_int(env, a[0]), count = arg_buffers(env, a[1], vector);
  if (count < 0) return ret_int(env, -EINVAL);
  do n = readv(fd, vector, count);
  while (n < 0 && errno == EINTR);
  return ret_errno(env, n);
}

static napi_value js_writev(napi_env env, napi_callback_info info) {
  ARGS(2);
  struct iovec vector[MAX_VECTOR];
  ssize_t n;
  int fd = arg_int(env, a[0]), count = arg_buffers(env, a[1], vector);
  if (count < 0) return ret_int(env, -EINVAL);
  do n = writev(fd, vector, count);
  while (n < 0 && errno == EINTR);
  return ret_errno(env, n);
}

static napi_value js_shutdown_write(napi_env env, napi_callback_info info) {
  ARGS(1);
  return ret_errno(env, shutdown(arg_int(env, a[0]), SHUT_WR));
}

/* Never repeated after EINTR: Linux has released the descriptor by then. */
static napi_value js_close(napi_env env, napi_callback_info info) {
  ARGS(1);
  return ret_errno(env, close(arg_int(env, a[0])));
}

const struct addon_function io_functions[] = {
  {"read", js_read}, {"write", js_write}, {"readvSpans", js_readv_spans}, {"writevSpans", js_writev_spans},
  {"readv", js_readv}, {"writev", js_writev}, {"shutdownWrite", js_shutdown_write}, {"close", js_close}, {NULL, NULL},
};
