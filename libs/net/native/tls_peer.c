/* What is known of the peer after a handshake. */
#include "tls.h"
#include <stdio.h>

/* tlsPeerCertificate(session): DER of the leaf in a fresh Uint8Array, or undefined */
static napi_value js_peer_certificate(napi_env env, napi_callback_info info) {
  ARGS(1);
  SSL *ssl = tls_session_ssl(state, arg_int(env, a[0]));
  X509 *leaf = ssl ? SSL_get1_peer_certificate(ssl) : NULL;
  unsigned char *der = NULL;
  napi_value out = NULL;
  int length = leaf ? i2d_X509(leaf, &der) : 0;
  if (length > 0) napi_create_buffer_copy(env, (size_t)length, der, NULL, &out);
  CRYPTO_free(der, "", 0);
  X509_free(leaf);
  return out;
}

/* tlsPeerUriSans(session): the URI names of the leaf in order; names with a NUL or a byte beyond ASCII are left out */
static napi_value js_peer_uri_sans(napi_env env, napi_callback_info info) {
  ARGS(1);
  SSL *ssl = tls_session_ssl(state, arg_int(env, a[0]));
  X509 *leaf = ssl ? SSL_get1_peer_certificate(ssl) : NULL;
  OPENSSL_STACK *names = leaf ? X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL) : NULL;
  napi_value out, text;
  uint32_t count = 0;
  napi_create_array(env, &out);
  for (int i = 0, total = names ? OPENSSL_sk_num(names) : 0; i < total; i++) {
    const GENERAL_NAME *name = OPENSSL_sk_value(names, i);
    if (name->type != GEN_URI) continue;
    const unsigned char *at = ASN1_STRING_get0_data(name->d.ia5);
    int length = ASN1_STRING_length(name->d.ia5), good = 0;
    while (good < length && at[good] > 0 && at[good] < 0x80) good++;
    if (good != length) continue;
    napi_create_string_latin1(env, (const char *)at, (size_t)length, &text);
    napi_set_element(env, out, count++, text);
  }
  if (names) GENERAL_NAMES_free(names);
  X509_free(leaf);
  ERR_clear_error();
  return out;
}

/* tlsVerified(session): 1 if the peer gave a certificate whose chain ends at one of the roots and is not revoked */
static napi_value js_verified(napi_env env, napi_callback_info info) {
  ARGS(1);
  SSL *ssl = tls_session_ssl(state, arg_int(env, a[0]));
  X509 *leaf = ssl ? SSL_get1_peer_certificate(ssl) : NULL;
  bool good = leaf && tls_session_trusted(state, arg_int(env, a[0]));
  X509_free(leaf);
  return ret_int(env, good);
}

/* tlsServerName(session, name): a client says which server it means; before the handshake. 0 or -EINVAL */
static napi_value js_server_name(napi_env env, napi_callback_info info) {
  ARGS(2);
  SSL *ssl = tls_session_ssl(state, arg_int(env, a[0]));
  char name[256];
  if (!ssl || !arg_text(env, a[1], name, sizeof name)) return ret_int(env, -EINVAL);
  return ret_int(env, SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, 0, name) == 1 ? 0 : -EINVAL);
}

/* tlsDescribe(session): "version cipher group alpn", "-" for none; of a finished handshake */
static napi_value js_describe(napi_env env, napi_callback_info info) {
  ARGS(1);
  SSL *ssl = tls_session_ssl(state, arg_int(env, a[0]));
  const unsigned char *alpn = NULL;
  unsigned alpn_length = 0;
  char text[256];
  napi_value out;
  if (!ssl) return NULL;
  const void *cipher = SSL_get_current_cipher(ssl);
  const char *group = SSL_group_to_name(ssl, (int)SSL_ctrl(ssl, SSL_CTRL_GET_NEGOTIATED_GROUP, 0, NULL));
  SSL_get0_alpn_selected(ssl, &alpn, &alpn_length);
  snprintf(text, sizeof text, "%s %s %s %.*s", SSL_get_version(ssl), cipher ? SSL_CIPHER_get_name(cipher) : "-", group ? group : "-",
           alpn ? (int)alpn_length : 1, alpn ? (const char *)alpn : "-");
  napi_create_string_latin1(env, text, NAPI_AUTO_LENGTH, &out);
  return out;
}

const struct addon_function tls_peer_functions[] = {
  {"tlsPeerCertificate", js_peer_certificate}, {"tlsPeerUriSans", js_peer_uri_sans}, {"tlsDescribe", js_describe}, {"tlsVerified", js_verified},
  {"tlsServerName", js_server_name}, {NULL, NULL},
};
