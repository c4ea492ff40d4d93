/*
 * TLS sessions. The transport below a session is a connected socket, or plain bytes (fd -1: tlsFeed and tlsDrain), which
 * a tunnel inside a tunnel needs. Records are collected in one block and leave in one write per flush. An idle session
 * holds no block; OpenSSL's own read buffer is released in the same way.
 */
#define _GNU_SOURCE
#include "tls.h"
#include "tls_block.h"
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum {
  OUTCOME_NONE = 1,
  SLOT_BITS = 20,
  MAX_SLOTS = 1 << SLOT_BITS,
  /* AES-GCM keys are good for 2^24.5 full records (RFC 8446 5.5); OpenSSL does not count, so we ask for new ones before. */
  RECORDS_PER_KEY = 1 << 23,
};

struct tls_session {
  struct addon_state *state;
  struct tls_context *context;
  SSL *ssl;
  int fd;
  struct block out, in; /* `in` only without a socket */
  int io_error;         /* errno of the transport, kept: a socket tells it once */
  bool drained;         /* a read of this call took less than it asked for: another would only say EAGAIN */
  bool eof;
  bool failed;
  int read_outcome; /* how reading ended, once it has */
  uint32_t records;
  uint32_t revocations; /* generation of the lists at the beginning */
};

/* Sends what is collected. Bytes left (0: all gone), or -errno. */
static int64_t flush_out(struct tls_session *s) {
  while (s->out.start < s->out.end && s->fd >= 0) {
    ssize_t n = send(s->fd, s->out.at + s->out.start, s->out.end - s->out.start, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) {
      s->io_error = errno;
      block_release(s->state, &s->out);
      return -s->io_error;
    }
    block_consume(s->state, &s->out, (size_t)n);
  }
  return (int64_t)(s->out.end - s->out.start);
}

static int bio_would_block(BIO *bio, int direction) {
  BIO_set_flags(bio, direction | BIO_FLAGS_SHOULD_RETRY);
  return 0;
}

static int bio_read(BIO *bio, char *to, size_t size, size_t *got) {
  struct tls_session *s = BIO_get_data(bio);
  ssize_t n;
  BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_IO_SPECIAL | BIO_FLAGS_SHOULD_RETRY);
  if (s->fd < 0) {
    size_t there = s->in.end - s->in.start;
    if (!there) return s->eof ? 0 : bio_would_block(bio, BIO_FLAGS_READ);
    *got = size < there ? size : there;
    memcpy(to, s->in.at + s->in.start, *got);
    block_consume(s->state, &s->in, *got);
    return 1;
  }
  if (s->drained) return bio_would_block(bio, BIO_FLAGS_READ); /* epoll is level-triggered: later bytes are reported */
  do n = recv(s->fd, to, size, 0);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) return bio_would_block(bio, BIO_FLAGS_READ);
  if (n <= 0) {
    if (n < 0) s->io_error = errno;
    else s->eof = true;
    return 0;
  }
  s->drained = (size_t)n < size;
  *got = (size_t)n;
  return 1;
}

static int bio_write(BIO *bio, const char *from, size_t size, size_t *put) {
  struct tls_session *s = BIO_get_data(bio);
  BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_IO_SPECIAL | BIO_FLAGS_SHOULD_RETRY);
  if (s->io_error) return 0;
  *put = block_append(s->state, &s->out, from, size);
  return *put ? 1 : bio_would_block(bio, BIO_FLAGS_WRITE);
}

static long bio_control(BIO *bio, int command, long number, void *data) {
  struct tls_session *s = BIO_get_data(bio);
  (void)number, (void)data;
  switch (command) {
    case BIO_CTRL_FLUSH: return 1; /* the session flushes itself, once per call */
    case BIO_CTRL_EOF: return s->eof;
    case BIO_CTRL_PENDING: return (long)(s->in.end - s->in.start);
    case BIO_CTRL_WPENDING: return (long)(s->out.end - s->out.start);
    default: return 0;
  }
}

static BIO_METHOD *transport_method;
static pthread_once_t transport_once = PTHREAD_ONCE_INIT;

static void make_transport_method(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | 0x7f, "ambit transport");
  if (!method) return;
  BIO_meth_set_read_ex(method, bio_read);
  BIO_meth_set_write_ex(method, bio_write);
  BIO_meth_set_ctrl(method, bio_control);
  transport_method = method;
}

static void session_free(struct tls_session *s) {
  SSL_free(s->ssl);
  block_release(s->state, &s->out);
  block_release(s->state, &s->in);
  tls_context_release(s->context);
  free(s);
}

void tls_sessions_cleanup(struct addon_state *state) {
  for (int i = 0; i < state->slot_count; i++)
    if (state->slots[i].session) session_free(state->slots[i].session);
  free(state->slots);
  while (state->blocks.count > 0) free(state->blocks.free[--state->blocks.count]);
}

static struct session_slot *slot_of(struct addon_state *state, int handle) {
  int index = handle & (MAX_SLOTS - 1);
  if (handle < 0 || index >= state->slot_count) return NULL;
  struct session_slot *slot = &state->slots[index];
  return slot->session && slot->generation == (uint32_t)handle >> SLOT_BITS ? slot : NULL;
}

static struct tls_session *arg_session(struct addon_state *state, napi_env env, napi_value value) {
  struct session_slot *slot = slot_of(state, arg_int(env, value));
  return slot ? slot->session : NULL;
}

SSL *tls_session_ssl(struct addon_state *state, int handle) {
  struct session_slot *slot = slot_of(state, handle);
  return slot ? slot->session->ssl : NULL;
}

/* The handle of a new slot, or -errno. */
static int slot_take(struct addon_state *state, struct tls_session *session) {
  if (state->first_free < 0) {
    int count = state->slot_count, more = count ? count * 2 : 64;
    if (more > MAX_SLOTS) return -EMFILE;
    struct session_slot *slots = realloc(state->slots, (size_t)more * sizeof *slots);
    if (!slots) return -ENOMEM;
    state->slots = slots;
    for (int i = more - 1; i >= count; i--) {
      slots[i] = (struct session_slot){NULL, 1, state->first_free};
      state->first_free = i;
    }
    state->slot_count = more;
  }
  int index = state->first_free;
  state->first_free = state->slots[index].next_free;
  state->slots[index].session = session;
  return (int)(state->slots[index].generation << SLOT_BITS) | index;
}

/* For certificates that are welcome and prove nothing unless tlsVerified says so. */
static int accept_any(int ok, void *store) {
  (void)ok, (void)store;
  return 1;
}

/* tlsSession(context, fd | -1 for bytes, role 1 client | 2 server): handle or -errno. The descriptor stays the caller's. */
static napi_value js_session(napi_env env, napi_callback_info info) {
  ARGS(3);
  struct tls_context *context = tls_context_from(env, a[0]);
  bool server = arg_int(env, a[2]) == 2;
  pthread_once(&transport_once, make_transport_method);
  if (!context || !transport_method) return ret_int(env, -EINVAL);
  struct tls_session *s = calloc(1, sizeof *s);
  SSL *ssl = s ? SSL_new(context->ssl) : NULL;
  BIO *bio = ssl ? BIO_new(transport_method) : NULL;
  int handle = bio ? slot_take(state, s) : -ENOMEM;
  if (handle < 0) {
    BIO_free(bio);
    SSL_free(ssl);
    free(s);
    return ret_int(env, handle);
  }
  *s = (struct tls_session){.state = state, .context = context, .ssl = ssl, .fd = arg_int(env, a[1]), .read_outcome = OUTCOME_NONE,
                           .revocations = tls_revocation_generation()};
  context->references++;
  BIO_set_data(bio, s);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  if (server) {
    SSL_set_accept_state(ssl);
    if (context->flags & CONTEXT_OPTIONAL_CLIENT) SSL_set_verify(ssl, SSL_VERIFY_PEER, accept_any);
    else if (!context->require_client_certificate) SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
  } else {
    SSL_set_connect_state(ssl);
    if (context->flags & CONTEXT_UNVERIFIED) SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
  }
  return ret_int(env, handle);
}

static bool tls_session_revoked(const struct tls_session *s, const struct tls_context *by) {
  return by->flags & CONTEXT_REVOCATION && tls_chain_error(by, s->ssl) == X509_V_ERR_CERT_REVOKED;
}

bool tls_session_trusted(struct addon_state *state, int handle) {
  static const int late = CONTEXT_OPTIONAL_CLIENT | CONTEXT_REVOCATION;
  struct session_slot *slot = slot_of(state, handle);
  const struct tls_session *s = slot ? slot->session : NULL;
  if (!s || SSL_get_verify_result(s->ssl) != X509_V_OK) return false;
  return (s->context->flags & late) != late || tls_chain_error(s->context, s->ssl) == X509_V_OK;
}

/* tlsRevoked(session, context?): 1 if the handshake failed, or if it would fail now (with that context, if given), because of
 * a revoked certificate */
static napi_value js_revoked(napi_env env, napi_callback_info info) {
  ARGS(2);
  struct tls_session *s = arg_session(state, env, a[0]);
  napi_valuetype type = napi_undefined;
  napi_typeof(env, a[1], &type);
  const struct tls_context *by = type == napi_external ? tls_context_from(env, a[1]) : NULL;
  return ret_int(env, s && (SSL_get_verify_result(s->ssl) == X509_V_ERR_CERT_REVOKED || tls_session_revoked(s, by ? by : s->context)));
}

/* Turns a failed SSL call into a result; `what` opens the recorded text. */
static int outcome(struct tls_session *s, int rc, const char *what) {
  int kind = SSL_get_error(s->ssl, rc);
  if (kind == SSL_ERROR_WANT_READ) return TLS_WANT_READ;
  if (kind == SSL_ERROR_WANT_WRITE) return TLS_WANT_WRITE;
  if (kind == SSL_ERROR_ZERO_RETURN) return 0;
  s->failed = true;
  char *text = s->state->tls_error;
  unsigned long code = ERR_peek_error();
  bool cut = code >> 23 == ERR_LIB_SSL && (code & 0x7fffff) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  if (s->io_error) {
    snprintf(text, sizeof s->state->tls_error, "%s: %s", what, strerror(s->io_error));
    ERR_clear_error();
    return -s->io_error;
  }
  if (kind == SSL_ERROR_SYSCALL || cut) {
    snprintf(text, sizeof s->state->tls_error, "%s: peer closed the connection without close_notify", what);
    ERR_clear_error();
  } else tls_record_error(s->state, what, SSL_get_verify_result(s->ssl));
  return TLS_FAILED;
}

/* tlsHandshake(session): 0 done | TLS_WANT_READ | TLS_WANT_WRITE | failure. Sends what it produced. */
static napi_value js_handshake(napi_env env, napi_callback_info info) {
  ARGS(1);
  struct tls_session *s = arg_session(state, env, a[0]);
  if (!s) return ret_int(env, -EBADF);
  ERR_clear_error();
  s->drained = false;
  int rc = SSL_do_handshake(s->ssl);
  int result = rc == 1 ? 0 : outcome(s, rc, "tls handshake error");
  if (!result && s->revocations != tls_revocation_generation() && tls_session_revoked(s, s->context)) {
    /* The chain was looked at before the lists changed. */
    snprintf(state->tls_error, sizeof state->tls_error, "tls handshake error: certificate verify failed: %s",
             X509_verify_cert_error_string(X509_V_ERR_CERT_REVOKED));
    s->failed = true;
    result = TLS_FAILED;
  }
  int64_t left = flush_out(s); /* alerts too */
  if (left < 0 && (!result || result == TLS_WANT_READ || result == TLS_WANT_WRITE)) {
    snprintf(state->tls_error, sizeof state->tls_error, "tls handshake error: %s", strerror(s->io_error));
    result = (int)left;
  }
  if (left > 0 && result == TLS_WANT_READ) result = TLS_WANT_WRITE;
  return ret_int(env, result);
}

/*
 * tlsRead(session, buffer, offset, length): bytes | 0 after close_notify | TLS_WANT_READ | failure (also a cut stream).
 * Fewer bytes than asked for: no more are there now. If the end stood behind them, it is kept for the next call.
 */
static napi_value js_read(napi_env env, napi_callback_info info) {
  ARGS(4);
  struct tls_session *s = arg_session(state, env, a[0]);
  struct bytes b;
  size_t total = 0, n;
  if (!s) return ret_int(env, -EBADF);
  if (!arg_slice(env, a[1], a[2], a[3], &b) || !b.length) return ret_int(env, -EINVAL);
  if (s->read_outcome != OUTCOME_NONE) return ret_int(env, s->read_outcome);
  ERR_clear_error();
  s->drained = false;
  for (int rc = 1; total < b.length; total += n)
    if ((rc = SSL_read_ex(s->ssl, b.at + total, b.length - total, &n)) != 1) {
      int result = outcome(s, rc, "tls read error");
      if (result != TLS_WANT_READ && result != TLS_WANT_WRITE) s->read_outcome = result;
      return ret_int(env, total ? (int64_t)total : result);
    }
  return ret_int(env, (int64_t)total);
}

/* tlsWrite(session, buffer, offset, length): bytes taken into the block | TLS_WANT_WRITE when it and the socket are full */
static napi_value js_write(napi_env env, napi_callback_info info) {
  ARGS(4);
  struct tls_session *s = arg_session(state, env, a[0]);
  struct bytes b;
  size_t total = 0, n;
  if (!s) return ret_int(env, -EBADF);
  if (!arg_slice(env, a[1], a[2], a[3], &b)) return ret_int(env, -EINVAL);
  if (s->failed || s->io_error) return ret_int(env, s->io_error ? -s->io_error : TLS_FAILED);
  ERR_clear_error();
  while (total < b.length) {
    /* Room first: OpenSSL never meets a full transport, so a write is never left half done inside it. */
    if (s->out.at && block_room(&s->out) < RECORD_ROOM) {
      int64_t left = flush_out(s);
      if (left < 0) return ret_int(env, left);
      if (s->out.at && block_room(&s->out) < RECORD_ROOM) break;
    }
    if (++s->records >= RECORDS_PER_KEY && SSL_key_update(s->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1) s->records = 0;
    size_t chunk = b.length - total < 16384 ? b.length - total : 16384;
    int rc = SSL_write_ex(s->ssl, b.at + total, chunk, &n);
    if (rc != 1) return ret_int(env, total ? (int64_t)total : outcome(s, rc, "tls write error"));
    total += n;
  }
  return ret_int(env, total || !b.length ? (int64_t)total : TLS_WANT_WRITE);
}

static napi_value js_flush(napi_env env, napi_callback_info info) {
  ARGS(1);
  struct tls_session *s = arg_session(state, env, a[0]);
  return ret_int(env, s ? flush_out(s) : -EBADF);
}

/* tlsPending(session): 1 if bytes already taken from the transport wait inside, of which epoll will not tell */
static napi_value js_pending(napi_env env, napi_callback_info info) {
  ARGS(1);
  struct tls_session *s = arg_session(state, env, a[0]);
  return ret_int(env, s ? SSL_has_pending(s->ssl) || s->read_outcome != OUTCOME_NONE : -EBADF);
}

/* tlsShutdown(session): queues close_notify and flushes; bytes left to flush, or -errno. Reading stays possible. */
static napi_value js_shutdown(napi_env env, napi_callback_info info) {
  ARGS(1);
  struct tls_session *s = arg_session(state, env, a[0]);
  if (!s) return ret_int(env, -EBADF);
  ERR_clear_error();
  if (!s->failed && !s->io_error) SSL_shutdown(s->ssl);
  ERR_clear_error();
  return ret_int(env, flush_out(s));
}

static napi_value js_free(napi_env env, napi_callback_info info) {
  ARGS(1);
  int handle = arg_int(env, a[0]);
  struct session_slot *slot = slot_of(state, handle);
  if (!slot) return ret_int(env, -EBADF);
  session_free(slot->session);
  slot->session = NULL;
  slot->generation = (slot->generation + 1) & 0x7ff;
  slot->next_free = state->first_free;
  state->first_free = handle & (MAX_SLOTS - 1);
  return ret_int(env, 0);
}

/* tlsFeed(session, bytes, offset, length): bytes the peer sent, for a session without a socket; length 0 is the end. */
static napi_value js_feed(napi_env env, napi_callback_info info) {
  ARGS(4);
  struct tls_session *s = arg_session(state, env, a[0]);
  struct bytes b;
  if (!s || s->fd >= 0) return ret_int(env, -EBADF);
  if (!arg_slice(env, a[1], a[2], a[3], &b)) return ret_int(env, -EINVAL);
  if (!b.length) s->eof = true;
  return ret_int(env, b.length ? (int64_t)block_append(state, &s->in, b.at, b.length) : 0);
}

/* tlsDrain(session, bytes, offset, length): moves out bytes for the peer; how many */
static napi_value js_drain(napi_env env, napi_callback_info info) {
  ARGS(4);
  struct tls_session *s = arg_session(state, env, a[0]);
  struct bytes b;
  if (!s || s->fd >= 0) return ret_int(env, -EBADF);
  if (!arg_slice(env, a[1], a[2], a[3], &b)) return ret_int(env, -EINVAL);
  size_t there = s->out.end - s->out.start, size = b.length < there ? b.length : there;
  if (!size) return ret_int(env, 0);
  memcpy(b.at, s->out.at + s->out.start, size);
  block_consume(state, &s->out, size);
  return ret_int(env, (int64_t)size);
}

const struct addon_function tls_session_functions[] = {
  {"tlsSession", js_session}, {"tlsHandshake", js_handshake}, {"tlsRevoked", js_revoked}, {"tlsRead", js_read}, {"tlsWrite", js_write},
  {"tlsFlush", js_flush}, {"tlsPending", js_pending}, {"tlsShutdown", js_shutdown}, {"tlsFree", js_free},
  {"tlsFeed", js_feed}, {"tlsDrain", js_drain}, {NULL, NULL},
};
