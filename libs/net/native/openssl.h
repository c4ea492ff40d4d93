/*
 * The part of OpenSSL 3's public ABI that the io layer uses, declared here so that a build needs no OpenSSL headers.
 * The symbols are those of the node binary itself: one TLS library per process, and Node's OpenSSL configuration applies.
 * Numbers are part of the stable ABI of OpenSSL 3 (ssl.h, tls1.h, x509_vfy.h, bio.h).
 */
#ifndef AMBIT_OPENSSL_H
#define AMBIT_OPENSSL_H
#include <stddef.h>
#include <stdint.h>

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;
typedef struct ssl_method_st SSL_METHOD;
typedef struct bio_st BIO;
typedef struct bio_method_st BIO_METHOD;
typedef struct x509_st X509;
typedef struct evp_pkey_st EVP_PKEY;
typedef struct x509_store_st X509_STORE;
typedef struct x509_store_ctx_st X509_STORE_CTX;
typedef struct X509_crl_st X509_CRL;
typedef struct X509_name_st X509_NAME;
typedef struct stack_st OPENSSL_STACK;
typedef struct asn1_string_st ASN1_STRING;

typedef struct {
  int type;
  union {
    void *any;
    ASN1_STRING *ia5;
  } d;
} GENERAL_NAME;

enum {
  TLS1_2_VERSION = 0x0303,
  TLS1_3_VERSION = 0x0304,
  SSL_FILETYPE_PEM = 1,
  SSL_VERIFY_NONE = 0,
  SSL_VERIFY_PEER = 1,
  SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2,
  SSL_CTRL_EXTRA_CHAIN_CERT = 14,
  SSL_CTRL_MODE = 33,
  SSL_CTRL_SET_READ_AHEAD = 41,
  SSL_CTRL_SET_SESS_CACHE_MODE = 44,
  SSL_CTRL_SET_MAX_CERT_LIST = 51,
  SSL_CTRL_SET_TLSEXT_HOSTNAME = 55,
  SSL_CTRL_SET_GROUPS_LIST = 92,
  SSL_CTRL_SET_MIN_PROTO_VERSION = 123,
  SSL_CTRL_SET_MAX_PROTO_VERSION = 124,
  SSL_CTRL_GET_NEGOTIATED_GROUP = 134,
  SSL_MODE_ENABLE_PARTIAL_WRITE = 0x01,
  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 0x02,
  SSL_MODE_NO_AUTO_CHAIN = 0x08,
  SSL_MODE_RELEASE_BUFFERS = 0x10,
  SSL_ERROR_SSL = 1,
  SSL_ERROR_WANT_READ = 2,
  SSL_ERROR_WANT_WRITE = 3,
  SSL_ERROR_SYSCALL = 5,
  SSL_ERROR_ZERO_RETURN = 6,
  SSL_R_UNEXPECTED_EOF_WHILE_READING = 294,
  SSL_TLSEXT_ERR_OK = 0,
  SSL_TLSEXT_ERR_ALERT_FATAL = 2,
  SSL_KEY_UPDATE_NOT_REQUESTED = 0,
  BIO_CTRL_EOF = 2,
  BIO_CTRL_PENDING = 10,
  BIO_CTRL_FLUSH = 11,
  BIO_CTRL_WPENDING = 13,
  BIO_FLAGS_READ = 0x01,
  BIO_FLAGS_WRITE = 0x02,
  BIO_FLAGS_IO_SPECIAL = 0x04,
  BIO_FLAGS_SHOULD_RETRY = 0x08,
  BIO_TYPE_SOURCE_SINK = 0x0400,
  GEN_URI = 6,
  NID_subject_alt_name = 85,
  ERR_LIB_SSL = 20,
  ERR_LIB_PEM = 9,
  PEM_R_NO_START_LINE = 108,
  X509_V_OK = 0,
  X509_V_ERR_UNSPECIFIED = 1,
  X509_V_ERR_UNABLE_TO_GET_CRL = 3,
  X509_V_ERR_CRL_SIGNATURE_FAILURE = 8,
  X509_V_ERR_CRL_NOT_YET_VALID = 11,
  X509_V_ERR_CRL_HAS_EXPIRED = 12,
  X509_V_ERR_CERT_REVOKED = 23,
  X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER = 33,
  X509_V_ERR_KEYUSAGE_NO_CRL_SIGN = 35,
  X509_V_ERR_DIFFERENT_CRL_SCOPE = 44,
  X509_V_FLAG_CRL_CHECK = 0x4,
  X509_V_FLAG_CRL_CHECK_ALL = 0x8,
  X509_V_FLAG_NO_CHECK_TIME = 0x200000,
};
#define SSL_OP_NO_TICKET (1ULL << 14)
#define SSL_OP_NO_RENEGOTIATION (1ULL << 30)
#define SSL_OP_NO_TX_CERTIFICATE_COMPRESSION (1ULL << 32) /* since 3.2; unknown bits are ignored */
#define SSL_OP_NO_RX_CERTIFICATE_COMPRESSION (1ULL << 33)
#define SSL_OP_CIPHER_SERVER_PREFERENCE (1ULL << 22)
#define X509_V_FLAG_PARTIAL_CHAIN 0x80000UL

const SSL_METHOD *TLS_method(void);
SSL_CTX *SSL_CTX_new(const SSL_METHOD *);
void SSL_CTX_free(SSL_CTX *);
long SSL_CTX_ctrl(SSL_CTX *, int, long, void *);
uint64_t SSL_CTX_set_options(SSL_CTX *, uint64_t);
int SSL_CTX_set_ciphersuites(SSL_CTX *, const char *);
int SSL_CTX_set_cipher_list(SSL_CTX *, const char *);
int SSL_CTX_set_num_tickets(SSL_CTX *, size_t);
void SSL_CTX_set_default_read_buffer_len(SSL_CTX *, size_t);
int SSL_CTX_set_alpn_protos(SSL_CTX *, const unsigned char *, unsigned);
void SSL_CTX_set_alpn_select_cb(SSL_CTX *,
  int (*)(SSL *, const unsigned char **, unsigned char *, const unsigned char *, unsigned, void *), void *);
void SSL_CTX_set_verify(SSL_CTX *, int, int (*)(int, void *));
int SSL_CTX_use_certificate(SSL_CTX *, X509 *);
int SSL_CTX_use_PrivateKey(SSL_CTX *, EVP_PKEY *);
int SSL_CTX_check_private_key(const SSL_CTX *);
X509_STORE *SSL_CTX_get_cert_store(const SSL_CTX *);
int X509_STORE_add_cert(X509_STORE *, X509 *);
int X509_STORE_add_crl(X509_STORE *, X509_CRL *);
int X509_STORE_set_flags(X509_STORE *, unsigned long);
void X509_STORE_set_lookup_crls(X509_STORE *, OPENSSL_STACK *(*)(const X509_STORE_CTX *, const X509_NAME *));
void X509_STORE_set_verify_cb(X509_STORE *, int (*)(int, X509_STORE_CTX *));
OPENSSL_STACK *X509_STORE_CTX_get1_crls(const X509_STORE_CTX *, const X509_NAME *);
X509_STORE_CTX *X509_STORE_CTX_new(void);
int X509_STORE_CTX_init(X509_STORE_CTX *, X509_STORE *, X509 *, OPENSSL_STACK *);
void X509_STORE_CTX_free(X509_STORE_CTX *);
void X509_STORE_CTX_set_flags(X509_STORE_CTX *, unsigned long);
int X509_STORE_CTX_get_error(const X509_STORE_CTX *);
void X509_STORE_CTX_set_error(X509_STORE_CTX *, int);
int X509_STORE_CTX_get_error_depth(const X509_STORE_CTX *);
OPENSSL_STACK *X509_STORE_CTX_get0_chain(const X509_STORE_CTX *);
int X509_verify_cert(X509_STORE_CTX *);

SSL *SSL_new(SSL_CTX *);
void SSL_free(SSL *);
void SSL_set_bio(SSL *, BIO *, BIO *);
void SSL_set_accept_state(SSL *);
void SSL_set_connect_state(SSL *);
void SSL_set_verify(SSL *, int, int (*)(int, void *));
int SSL_do_handshake(SSL *);
int SSL_read_ex(SSL *, void *, size_t, size_t *);
int SSL_write_ex(SSL *, const void *, size_t, size_t *);
int SSL_shutdown(SSL *);
int SSL_key_update(SSL *, int);
int SSL_get_error(const SSL *, int);
int SSL_has_pending(const SSL *);
long SSL_ctrl(SSL *, int, long, void *);
long SSL_get_verify_result(const SSL *);
X509 *SSL_get1_peer_certificate(const SSL *);
OPENSSL_STACK *SSL_get_peer_cert_chain(const SSL *);
const char *SSL_get_version(const SSL *);
const void *SSL_get_current_cipher(const SSL *);
const char *SSL_CIPHER_get_name(const void *);
const char *SSL_group_to_name(SSL *, int);
void SSL_get0_alpn_selected(const SSL *, const unsigned char **, unsigned *);

BIO_METHOD *BIO_meth_new(int, const char *);
int BIO_meth_set_read_ex(BIO_METHOD *, int (*)(BIO *, char *, size_t, size_t *));
int BIO_meth_set_write_ex(BIO_METHOD *, int (*)(BIO *, const char *, size_t, size_t *));
int BIO_meth_set_ctrl(BIO_METHOD *, long (*)(BIO *, int, long, void *));
BIO *BIO_new(const BIO_METHOD *);
BIO *BIO_new_mem_buf(const void *, int);
int BIO_free(BIO *);
void BIO_set_data(BIO *, void *);
void *BIO_get_data(BIO *);
void BIO_set_init(BIO *, int);
void BIO_set_flags(BIO *, int);
void BIO_clear_flags(BIO *, int);

X509 *PEM_read_bio_X509(BIO *, X509 **, int (*)(char *, int, int, void *), void *);
EVP_PKEY *PEM_read_bio_PrivateKey(BIO *, EVP_PKEY **, int (*)(char *, int, int, void *), void *);
X509_CRL *PEM_read_bio_X509_CRL(BIO *, X509_CRL **, int (*)(char *, int, int, void *), void *);
X509_CRL *d2i_X509_CRL(X509_CRL **, const unsigned char **, long);
X509_NAME *X509_CRL_get_issuer(const X509_CRL *);
int X509_CRL_up_ref(X509_CRL *);
void X509_CRL_free(X509_CRL *);
int X509_NAME_cmp(const X509_NAME *, const X509_NAME *);
void X509_free(X509 *);
void EVP_PKEY_free(EVP_PKEY *);
int i2d_X509(const X509 *, unsigned char **);
void *X509_get_ext_d2i(const X509 *, int, int *, int *);
void GENERAL_NAMES_free(OPENSSL_STACK *);
OPENSSL_STACK *OPENSSL_sk_new_null(void);
int OPENSSL_sk_push(OPENSSL_STACK *, const void *);
void OPENSSL_sk_pop_free(OPENSSL_STACK *, void (*)(void *));
int OPENSSL_sk_num(const OPENSSL_STACK *);
void *OPENSSL_sk_value(const OPENSSL_STACK *, int);
const unsigned char *ASN1_STRING_get0_data(const ASN1_STRING *);
int ASN1_STRING_length(const ASN1_STRING *);
const char *X509_verify_cert_error_string(long);
void CRYPTO_free(void *, const char *, int);
void OPENSSL_cleanse(void *, size_t);

unsigned long ERR_get_error(void);
unsigned long ERR_peek_error(void);
unsigned long ERR_peek_last_error(void);
void ERR_clear_error(void);
void ERR_error_string_n(unsigned long, char *, size_t);
const char *ERR_reason_error_string(unsigned long);
#endif
