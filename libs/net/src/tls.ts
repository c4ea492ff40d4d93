/**
 * TLS 1.3 on Node's own OpenSSL, as plain calls on a session. No identity check here beyond the chain: the caller looks
 * at the names in the leaf.
 */
declare const contextBrand: unique symbol;
declare const sessionBrand: unique symbol;

/** A certificate with its roots, ready for handshakes. Freed by the collector when neither it nor a session needs it. */
export interface TlsContext {
  readonly [contextBrand]: true;
}

/** One TLS connection. Owned by the caller: `io.tlsFree` once; a freed session answers `-EBADF`. */
export type TlsSession = number & { readonly [sessionBrand]: true };

/** Nothing to read now: wait for EPOLLIN. */
export const TLS_WANT_READ = -1001;
/** Nothing can be written now: wait for EPOLLOUT, then `io.tlsFlush`. */
export const TLS_WANT_WRITE = -1002;
/** The session is broken; `io.tlsError()` says why. */
export const TLS_FAILED = -1003;

/** Spec: data-plane 1.1. In order of preference; ChaCha20 is neither offered nor taken. */
export const meshCipherSuites = 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256';
/** Spec: data-plane 1.1. A client sends a key share for the first only. */
export const meshGroups = 'X25519:P-256:P-384:X25519MLKEM768';

export interface TlsContextOptions {
  /** PEM, leaf first, then intermediates. */
  readonly certificateChainPem: string;
  /** PEM, unencrypted. The native copy is wiped after use; the JavaScript string cannot be. */
  readonly privateKeyPem: string;
  /** PEM; the only trust anchors. */
  readonly rootsPem: string;
  /** Informational: a context serves both roles. */
  readonly role?: 'client' | 'server' | 'both';
  /** Default `['h2']`. A server refuses a client whose list has none of these, and takes one that sends no list. */
  readonly alpn?: readonly string[];
  readonly cipherSuites?: string | readonly string[];
  readonly groups?: string | readonly string[];
  /** Server role: default true. False asks for no certificate at all. */
  readonly requireClientCertificate?: boolean;
  /** Default false. The peer's whole chain is looked up in the lists of `io.tlsRevocations`, those of later included. */
  readonly checksRevocation?: boolean;
}

/** TLS with programs that are not of the mesh: users' clients at a gateway, servers behind a waypoint. */
export interface EdgeTlsOptions {
  /** A server's own, or a client's if it is to have one. */
  readonly certificate?: { readonly chainPem: string; readonly keyPem: string };
  /** PEM; what the peer's certificate must lead to. */
  readonly rootsPem?: string;
  /**
   * Server: `optional` takes any certificate and none, `io.tlsVerified` says whether it proves something. Default `none`.
   * `required` needs roots.
   */
  readonly clientCertificate?: 'none' | 'optional' | 'required';
  /** Client: takes any server. Otherwise roots are needed. */
  readonly skipsVerification?: boolean;
  /** Default 1.2, with forward secrecy and AEAD only. */
  readonly minVersion?: '1.2' | '1.3';
  /** Of TLS 1.2, by OpenSSL's names in order of preference; empty or absent: all of those. TLS 1.3 has its own. */
  readonly oldCipherSuites?: readonly string[];
  /**
   * Default false. As of the mesh's own contexts: the peer's chain is looked up in the lists of `io.tlsRevocations`. With an
   * `optional` certificate the handshake passes, and `io.tlsVerified` says 0 of a revoked one.
   */
  readonly checksRevocation?: boolean;
  /** PEM of revocation lists that count for this context alone, beside those of the thread. Needs `checksRevocation`. */
  readonly revocationsPem?: string;
  readonly alpn: readonly string[];
}

/** What a finished handshake agreed on. */
export interface TlsDescription {
  readonly version: string;
  readonly cipher: string;
  readonly group: string;
  readonly alpn: string | undefined;
}

/** ALPN names in wire form: a length byte before each. Throws RangeError for an empty or over-long name. */
export function encodeAlpn(names: readonly string[]): Uint8Array {
  const parts: Buffer[] = [];
  for (const name of names) {
    const bytes = Buffer.from(name, 'latin1');
    if (bytes.length < 1 || bytes.length > 62) throw new RangeError(`ALPN name of ${bytes.length} bytes`);
    parts.push(Buffer.of(bytes.length), bytes);
  }
  return Buffer.concat(parts);
}
