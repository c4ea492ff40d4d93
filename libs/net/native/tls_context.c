/* TLS contexts: TLS 1.3 (with a flag 1.2), one certificate, one set of roots, no resumption. Used for both roles. */
#include "tls.h"
#include <stdio.h>

static const napi_type_tag context_tag = {0x616d626974746c73, 0x636f6e7465787401};

void tls_record_error(struct addon_state *state, const char *what, long verify) {
  unsigned long code = ERR_peek_last_error();
  const char *reason = code ? ERR_reason_error_string(code) : NULL;
  snprintf(state->tls_error, sizeof state->tls_error, "%s: %s%s%s", what, reason ? reason : "unknown error",
           verify ? ": " : "", verify ? X509_verify_cert_error_string(verify) : "");
  ERR_clear_error();
}

void tls_context_release(struct tls_context *context) {
  if (--context->references > 0) return;
  SSL_CTX_free(context->ssl);
  free(context);
}

static void finalize_context(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  tls_context_release(data);
}

struct tls_context *tls_context_from(napi_env env, napi_value value) {
  void *context;
  bool tagged = false;
  if (napi_check_object_type_tag(env, value, &context_tag, &tagged) != napi_ok || !tagged) return NULL;
  return napi_get_value_external(env, value, &context) == napi_ok ? context : NULL;
}

/*
 * Server: takes the first of our protocols that the client lists and refuses a list without any (alert
 * no_application_protocol). Not called at all for a client without ALPN, which is let in (Spec: data-plane 1.1).
 */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_length, const unsigned char *offered,
                       unsigned length, void *data) {
  const struct tls_context *context = data;
  (void)ssl;
  for (unsigned own = 0; own < context->alpn_length; own += context->alpn[own] + 1u)
    for (unsigned at = 0; at < length && at + offered[at] < length; at += offered[at] + 1u)
      if (offered[at] == context->alpn[own] && !memcmp(offered + at + 1, context->alpn + own + 1, offered[at])) {
        *out = offered + at + 1;
        *out_length = offered[at];
        return SSL_TLSEXT_ERR_OK;
      }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Without it OpenSSL asks for the password of an encrypted key on the terminal. */
static int no_password(char *buffer, int size, int writing, void *data) {
  (void)buffer, (void)size, (void)writing, (void)data;
  return -1;
}

/* A system's own roots are some hundred and fifty. */
enum { MAX_CERTIFICATES = 64, MAX_ROOTS = 1024 };

/* Leaf first, then intermediates. */
static bool use_chain(SSL_CTX *ssl, struct bytes pem) {
  BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.length);
  X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
  bool ok = certificate && SSL_CTX_use_certificate(ssl, certificate) == 1;
  X509_free(certificate);
  for (int i = 0; ok && i < MAX_CERTIFICATES && (certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL)); i++) {
    ok = SSL_CTX_ctrl(ssl, SSL_CTRL_EXTRA_CHAIN_CERT, 0, certificate) == 1; /* takes ownership */
    if (!ok) X509_free(certificate);
  }
  BIO_free(bio);
  return ok;
}

static bool use_key(SSL_CTX *ssl, struct bytes pem) {
  BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.length);
  EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
  bool ok = key && SSL_CTX_use_PrivateKey(ssl, key) == 1 && SSL_CTX_check_private_key(ssl) == 1;
  EVP_PKEY_free(key);
  BIO_free(bio);
  return ok;
}

/* Each given certificate is an anchor by itself, self-signed or not, as in the peers; no system roots. */
static bool use_roots(SSL_CTX *ssl, struct bytes pem) {
  X509_STORE *store = SSL_CTX_get_cert_store(ssl);
  BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.length);
  X509 *root;
  int count = 0;
  bool ok = bio && X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1;
  while (ok && count < MAX_ROOTS && (root = PEM_read_bio_X509(bio, NULL, no_password, NULL))) {
    ok = X509_STORE_add_cert(store, root) == 1;
    X509_free(root);
    count++;
  }
  BIO_free(bio);
  return ok && count > 0;
}

static bool use_parameters(struct tls_context *context, const char *suites, char *groups, const char *old_suites) {
  SSL_CTX *ssl = context->ssl;
  bool old = context->flags & CONTEXT_TLS12;
  if (old && SSL_CTX_set_cipher_list(ssl, *old_suites ? old_suites : "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) return false;
  SSL_CTX_ctrl(ssl, SSL_CTRL_SET_MIN_PROTO_VERSION, old ? TLS1_2_VERSION : TLS1_3_VERSION, NULL);
  SSL_CTX_ctrl(ssl, SSL_CTRL_SET_MAX_PROTO_VERSION, TLS1_3_VERSION, NULL);
  SSL_CTX_ctrl(ssl, SSL_CTRL_MODE, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
               SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN, NULL);
  /* Brotli at full strength for each certificate of a client costs 2.3 ms, seven times the rest of its handshake. */
  SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION |
                      SSL_OP_NO_TX_CERTIFICATE_COMPRESSION | SSL_OP_NO_RX_CERTIFICATE_COMPRESSION);
  SSL_CTX_ctrl(ssl, SSL_CTRL_SET_SESS_CACHE_MODE, 0, NULL);
  SSL_CTX_set_num_tickets(ssl, 0);
  SSL_CTX_ctrl(ssl, SSL_CTRL_SET_READ_AHEAD, 1, NULL);
  SSL_CTX_set_default_read_buffer_len(ssl, 64 * 1024);
  SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  if (SSL_CTX_set_ciphersuites(ssl, suites) != 1 || SSL_CTX_ctrl(ssl, SSL_CTRL_SET_GROUPS_LIST, 0, groups) != 1) return false;
  if (!context->alpn_length) return true;
  SSL_CTX_set_alpn_select_cb(ssl, select_alpn, context);
  return SSL_CTX_set_alpn_protos(ssl, context->alpn, context->alpn_length) == 0;
}

/* newTlsContext(chainPem, keyPem, rootsPem: Uint8Array, suites, groups: string, alpn: Uint8Array, requireClient: 0 | 1,
 * flags: CONTEXT_ bits, lists: Uint8Array | undefined, oldSuites: string, of TLS 1.2, empty for all): a context, or undefined with tlsError() set */
static napi_value js_new_context(napi_env env, napi_callback_info info) {
  ARGS(10);
  struct bytes chain, key, roots, alpn, lists;
  char suites[256], groups[256], old_suites[512];
  const char *failed = NULL;
  napi_value out;
  if (!arg_array(env, a[0], napi_uint8_array, &chain) || !arg_array(env, a[1], napi_uint8_array, &key) ||
      !arg_array(env, a[2], napi_uint8_array, &roots) || !arg_text(env, a[3], suites, sizeof suites) ||
      !arg_text(env, a[4], groups, sizeof groups) || !arg_array(env, a[5], napi_uint8_array, &alpn) ||
      !arg_text(env, a[9], old_suites, sizeof old_suites)) failed = "bad arguments";
  struct tls_context *context = failed ? NULL : calloc(1, sizeof *context);
  if (context && alpn.length <= sizeof context->alpn) {
    context->references = 1;
    context->require_client_certificate = arg_int(env, a[6]) != 0;
    context->flags = arg_int(env, a[7]);
    if (context->flags < 0) context->flags = 0; /* not given: the mesh's own rules */
    context->alpn_length = (unsigned)alpn.length;
    if (alpn.length) memcpy(context->alpn, alpn.at, alpn.length);
    ERR_clear_error();
    context->ssl = SSL_CTX_new(TLS_method());
    if (!context->ssl || !use_parameters(context, suites, groups, old_suites)) failed = "tls parameters";
    else if (!(context->flags & CONTEXT_ANONYMOUS) && !use_chain(context->ssl, chain)) failed = "certificate chain";
    else if (!(context->flags & CONTEXT_ANONYMOUS) && !use_key(context->ssl, key)) failed = "private key";
    else if (roots.length && !use_roots(context->ssl, roots)) failed = "root certificates";
    else if (!roots.length && !(context->flags & (CONTEXT_UNVERIFIED | CONTEXT_OPTIONAL_CLIENT)) && context->require_client_certificate)
      failed = "no root certificates";
    else if (arg_array(env, a[8], napi_uint8_array, &lists) && lists.length &&
             !tls_revocation_add(SSL_CTX_get_cert_store(context->ssl), lists)) failed = "certificate revocation list";
    /* Whoever takes any certificate asks tlsVerified afterwards what it proves. */
    if (!failed && context->flags & CONTEXT_REVOCATION)
      tls_revocation_use(SSL_CTX_get_cert_store(context->ssl), !(context->flags & CONTEXT_OPTIONAL_CLIENT));
  } else if (!failed) failed = "no memory or alpn too long";
  if (!failed) {
    ERR_clear_error(); /* the end of a PEM list leaves "no start line" behind */
    napi_create_external(env, context, finalize_context, NULL, &out);
    napi_type_tag_object(env, out, &context_tag);
    return out;
  }
  tls_record_error(state, failed, 0);
  if (context && context->references) tls_context_release(context);
  else free(context);
  return NULL;
}

static napi_value js_error(napi_env env, napi_callback_info info) {
  ARGS(1);
  napi_value out;
  napi_create_string_utf8(env, state->tls_error, NAPI_AUTO_LENGTH, &out);
  return out;
}

const struct addon_function tls_context_functions[] = {{"newTlsContext", js_new_context}, {"tlsError", js_error}, {NULL, NULL}};
