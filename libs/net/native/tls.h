/* Shared by the two TLS files. */
#ifndef AMBIT_TLS_H
#define AMBIT_TLS_H
#include "addon.h"
#include "openssl.h"

/* Results beside byte counts and -errno; the same numbers stand in src/tls.ts. */
enum { TLS_WANT_READ = -1001, TLS_WANT_WRITE = -1002, TLS_FAILED = -1003 };

/* What a context may do beside the mesh's own rules: for TLS with programs that are not of the mesh. Numbers of src/io.ts. */
enum {
  CONTEXT_TLS12 = 1,           /* TLS 1.2 too, with forward secrecy and AEAD only */
  CONTEXT_ANONYMOUS = 2,       /* client without a certificate */
  CONTEXT_UNVERIFIED = 4,      /* client that takes any server */
  CONTEXT_OPTIONAL_CLIENT = 8, /* server that asks for a certificate and takes any, or none: see tlsVerified */
  CONTEXT_REVOCATION = 16,     /* chains are looked up in the thread's revocation lists */
};

/* Counted: held by the JavaScript value and by every session, whose handshake callback reads it. */
struct tls_context {
  SSL_CTX *ssl;
  int references;
  bool require_client_certificate;
  int flags;
  unsigned alpn_length;
  unsigned char alpn[64]; /* wire form: length byte and name, repeated */
};

struct tls_context *tls_context_from(napi_env env, napi_value value);
void tls_context_release(struct tls_context *context);
/* The SSL of a session's handle, or NULL. */
SSL *tls_session_ssl(struct addon_state *state, int handle);
/* Whether the peer's chain led to a root, and no list of now revokes it where the handshake did not ask them. */
bool tls_session_trusted(struct addon_state *state, int handle);
/* Records why a call failed, from OpenSSL's error queue, which is emptied; `verify` is an X509 verify result or 0. */
void tls_record_error(struct addon_state *state, const char *what, long verify);
/* tls_revocation.c: makes verification with this store look into the thread's lists, in handshakes too if it `refuses`. */
void tls_revocation_use(X509_STORE *store, bool refuses);
/* Adds lists, PEM or DER, that count for this store alone. False when one cannot be read. */
bool tls_revocation_add(X509_STORE *store, struct bytes lists);
/* Rises when the lists of this thread change. */
uint32_t tls_revocation_generation(void);
/* What is wrong with the peer's chain by the lists of now, its age aside: X509_V_OK, X509_V_ERR_CERT_REVOKED, ... */
int tls_chain_error(const struct tls_context *context, const SSL *ssl);
#endif
