/*
 * What the files of the io addon share: the per-environment state and the argument helpers.
 * An environment is one JavaScript thread (main or worker); nothing here is shared between threads.
 * Convention: calls that can fail as system calls do return >= 0 or -errno; they never throw.
 */
#ifndef AMBIT_ADDON_H
#define AMBIT_ADDON_H
#define NAPI_VERSION 9
#include <node_api.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct tls_session;

/* A fixed-size-block free list: buffers of idle TLS sessions go back here, so an idle session holds none. */
struct block_pool {
  void *free[8];
  int count;
};

/* Sessions are known to JavaScript by a number: slot and generation, so a number of a freed session finds nothing. */
struct session_slot {
  struct tls_session *session;
  uint32_t generation;
  int next_free;
};

struct addon_state {
  int own_netns; /* the network namespace of this thread, opened at first use; -1 before */
  struct session_slot *slots;
  int slot_count;
  int first_free; /* -1: none */
  struct block_pool blocks;
  char tls_error[512]; /* text of the last TLS failure of this thread */
  uint32_t port_window; /* where the next connection from somebody else's address looks for a port (socket.c) */
};

struct bytes {
  uint8_t *at;
  size_t length;
};

/* Reads an int32; anything else becomes -1, which every callee refuses (EBADF, EINVAL). */
static inline int32_t arg_int(napi_env env, napi_value value) {
  int32_t out;
  return napi_get_value_int32(env, value, &out) == napi_ok ? out : -1;
}

/* The whole memory of a Uint8Array or Int32Array argument, in bytes. */
static inline bool arg_array(napi_env env, napi_value value, napi_typedarray_type wanted, struct bytes *out) {
  napi_typedarray_type type;
  void *data;
  size_t length;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, NULL, NULL) != napi_ok || type != wanted) return false;
  out->at = data;
  out->length = wanted == napi_uint8_array ? length : length * 4;
  return true;
}

/* The part [offset, offset + length) of a Uint8Array; false unless it lies inside. */
static inline bool arg_slice(napi_env env, napi_value array, napi_value offset, napi_value length, struct bytes *out) {
  int32_t from = arg_int(env, offset), size = arg_int(env, length);
  if (!arg_array(env, array, napi_uint8_array, out) || from < 0 || size < 0) return false;
  if ((size_t)from > out->length || (size_t)size > out->length - (size_t)from) return false;
  out->at += from;
  out->length = (size_t)size;
  return true;
}

static inline napi_value ret_int(napi_env env, int64_t value) {
  napi_value out;
  napi_create_int32(env, (int32_t)value, &out);
  return out;
}

/* 0 for success of a call that says -1 and errno. */
static inline napi_value ret_errno(napi_env env, int64_t rc) { return ret_int(env, rc < 0 ? -errno : rc); }

/* Copies a string argument; false if it is no string or does not fit. */
static inline bool arg_text(napi_env env, napi_value value, char *out, size_t size) {
  size_t length;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok || length >= size) return false;
  return napi_get_value_string_utf8(env, value, out, size, &length) == napi_ok && strlen(out) == length;
}

#define ARGS(count)                                                                                                    \
  napi_value a[count];                                                                                                 \
  size_t argc = count;                                                                                                 \
  struct addon_state *state;                                                                                           \
  napi_get_cb_info(env, info, &argc, a, NULL, (void **)&state);                                                        \
  (void)state

struct addon_function {
  const char *name;
  napi_callback call;
};

extern const struct addon_function socket_functions[], memory_functions[], io_functions[], event_functions[], packet_functions[],
  poll_functions[], tls_context_functions[], tls_session_functions[], tls_peer_functions[], tls_revocation_functions[];

/* socket.c: makes a socket in the namespace of netns_fd, or in the thread's own if that is negative. -errno on failure. */
int socket_in_namespace(struct addon_state *state, int netns_fd, int family, int type);
/* tls_session.c: frees what JavaScript left open. */
void tls_sessions_cleanup(struct addon_state *state);
/* tls_revocation.c: frees this thread's lists. */
void tls_revocation_cleanup(void);
#endif
