/*
 * Revocation lists of this thread, for every context that asks for them, those made before included, and lists of one
 * context alone (in its store): OpenSSL looks a list up by its issuer when it verifies a chain. Rules as in Istio's ztunnel (webpki: whole chain, unknown status allowed,
 * expired lists count): an issuer without a list revokes nothing, a list with a wrong signature lets nobody in.
 */
#include "tls.h"
#include <stdio.h>

enum { MAX_LISTS = 1024, MAX_BYTES = 8 << 20 };

/* One environment a thread. The generation tells a handshake that lists have changed since it began. */
static _Thread_local OPENSSL_STACK *lists;
static _Thread_local uint32_t generation;

static void free_list(void *list) { X509_CRL_free(list); }

void tls_revocation_cleanup(void) {
  OPENSSL_sk_pop_free(lists, free_list);
  lists = NULL;
}

uint32_t tls_revocation_generation(void) { return generation; }

static OPENSSL_STACK *lists_of_issuer(const X509_STORE_CTX *store, const X509_NAME *issuer) {
  OPENSSL_STACK *found = X509_STORE_CTX_get1_crls(store, issuer);
  if (!found) found = OPENSSL_sk_new_null();
  for (int i = 0, count = lists ? OPENSSL_sk_num(lists) : 0; found && i < count; i++) {
    X509_CRL *list = OPENSSL_sk_value(lists, i);
    if (X509_NAME_cmp(X509_CRL_get_issuer(list), issuer) || X509_CRL_up_ref(list) != 1) continue;
    if (OPENSSL_sk_push(found, list) <= 0) X509_CRL_free(list);
  }
  return found;
}

/* Of an anchor nothing is asked: it is trusted because it was given. */
static int judge(int ok, X509_STORE_CTX *store) {
  if (ok) return ok;
  int error = X509_STORE_CTX_get_error(store);
  OPENSSL_STACK *chain = X509_STORE_CTX_get0_chain(store);
  bool anchor = chain && X509_STORE_CTX_get_error_depth(store) == OPENSSL_sk_num(chain) - 1;
  switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE: break;
    case X509_V_ERR_CERT_REVOKED:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
      if (anchor) break;
      return 0;
    default: return 0;
  }
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return 1;
}

enum { LOOK_UP = X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL };

void tls_revocation_use(X509_STORE *store, bool refuses) {
  if (refuses) X509_STORE_set_flags(store, LOOK_UP);
  X509_STORE_set_lookup_crls(store, lists_of_issuer);
  X509_STORE_set_verify_cb(store, judge);
}

int tls_chain_error(const struct tls_context *context, const SSL *ssl) {
  X509 *leaf = ssl ? SSL_get1_peer_certificate(ssl) : NULL;
  X509_STORE_CTX *store = leaf ? X509_STORE_CTX_new() : NULL;
  int error = X509_V_ERR_UNSPECIFIED;
  if (store && X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(context->ssl), leaf, SSL_get_peer_cert_chain(ssl)) == 1) {
    /* What has expired since is no reason to end a connection. */
    X509_STORE_CTX_set_flags(store, X509_V_FLAG_NO_CHECK_TIME | LOOK_UP);
    X509_verify_cert(store);
    error = X509_STORE_CTX_get_error(store);
  }
  X509_STORE_CTX_free(store);
  X509_free(leaf);
  ERR_clear_error();
  return error;
}

/* All lists of a text, or the one in DER; blocks of other kinds are passed over. NULL when one cannot be read. */
static OPENSSL_STACK *read_lists(struct bytes bytes) {
  static const char begin[] = "-----BEGIN";
  const uint8_t *der = bytes.at;
  OPENSSL_STACK *out = OPENSSL_sk_new_null();
  BIO *bio = BIO_new_mem_buf(bytes.at, (int)bytes.length);
  X509_CRL *list = NULL;
  bool pem = bytes.length >= sizeof begin - 1 && !memcmp(bytes.at, begin, sizeof begin - 1);
  bool ok = out && bio;
  while (ok && OPENSSL_sk_num(out) < MAX_LISTS) {
    list = pem ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : d2i_X509_CRL(NULL, &der, (long)bytes.length);
    if (!list) break;
    ok = OPENSSL_sk_push(out, list) > 0;
    if (!ok) X509_CRL_free(list);
    if (!pem) break;
  }
  /* A text ends with "no start line"; anything else is a list that is broken, or one too many. */
  unsigned long code = ERR_peek_last_error();
  bool end = pem && code >> 23 == ERR_LIB_PEM && (code & 0x7fffff) == PEM_R_NO_START_LINE;
  if (pem) ok = ok && !list && end;
  else ok = ok && list && der == bytes.at + bytes.length;
  BIO_free(bio);
  if (ok) return out;
  OPENSSL_sk_pop_free(out, free_list);
  return NULL;
}

bool tls_revocation_add(X509_STORE *store, struct bytes bytes) {
  OPENSSL_STACK *own = bytes.length <= MAX_BYTES ? read_lists(bytes) : NULL;
  bool ok = own && OPENSSL_sk_num(own) > 0;
  for (int i = 0, count = own ? OPENSSL_sk_num(own) : 0; ok && i < count; i++) ok = X509_STORE_add_crl(store, OPENSSL_sk_value(own, i)) == 1;
  OPENSSL_sk_pop_free(own, free_list);
  return ok;
}

/* tlsRevocations(bytes): replaces the thread's lists; how many, or -EINVAL with tlsError() set and the old ones kept */
static napi_value js_revocations(napi_env env, napi_callback_info info) {
  ARGS(1);
  struct bytes bytes;
  if (!arg_array(env, a[0], napi_uint8_array, &bytes) || bytes.length > MAX_BYTES) return ret_int(env, -EINVAL);
  ERR_clear_error();
  OPENSSL_STACK *fresh = bytes.length ? read_lists(bytes) : OPENSSL_sk_new_null();
  if (!fresh) {
    tls_record_error(state, "certificate revocation list", 0);
    return ret_int(env, -EINVAL);
  }
  ERR_clear_error();
  OPENSSL_sk_pop_free(lists, free_list);
  lists = fresh;
  generation++;
  return ret_int(env, OPENSSL_sk_num(lists));
}

const struct addon_function tls_revocation_functions[] = {{"tlsRevocations", js_revocations}, {NULL, NULL}};
