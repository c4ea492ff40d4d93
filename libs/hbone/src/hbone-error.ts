import { AmbitError } from '@ambit/runtime';
import type { ErrorSource } from '@ambit/runtime';

/** What can go wrong with a tunnel. Stable; listed in the README. */
export type HboneErrorCode =
  /** TCP connect failed, other than by time-out. */
  | 'CONNECT_FAILED'
  /** TCP connect to the HBONE port timed out. */
  | 'CONNECT_TIMEOUT'
  /** TLS failed, its time ran out, or the peer is not who was expected. */
  | 'TLS_FAILED'
  /** A certificate of the peer is revoked: found in the handshake (`details.isHandshake`), or later by `closeIfRevoked`. */
  | 'CERT_REVOKED'
  /** The peer breaks HTTP/2, or the connection ended before the request was answered. */
  | 'HTTP2_FAILED'
  /** The peer answered CONNECT with another status than 200; `details.status`. */
  | 'HTTP_STATUS'
  /** The peer reset the stream with an error; `details.h2Code`. */
  | 'STREAM_RESET'
  /** The connection under the stream is gone. */
  | 'TUNNEL_LOST'
  /** No answer to PING in time. */
  | 'KEEPALIVE_TIMEOUT'
  /** The peer abused the protocol and was disconnected. */
  | 'ABUSE'
  /** A copy between sockets failed for a reason that is not an ordinary ending. */
  | 'COPY_FAILED'
  /** Closed by our side: drain, pool removal, cancel. */
  | 'CLOSED'
  /** Too many requests wait for one dial. */
  | 'POOL_FULL';

export interface HboneErrorOptions {
  readonly source?: ErrorSource;
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** Every failure of this library. The message is the text of the access log. Spec: data-plane 7.3. */
export class HboneError extends AmbitError {
  declare readonly code: HboneErrorCode;

  constructor(code: HboneErrorCode, message: string, options: HboneErrorOptions = {}) {
    super(code, message, { source: 'upstream', ...options });
  }
}

/** Values of the `response_flags` label that a failure of this library can have. */
export type HboneResponseFlag = 'CONNECT' | 'NETWORK_POLICY' | 'TLS_FAILURE' | 'CERT_REVOKED' | 'H2_HANDSHAKE_FAILURE';

/** The `response_flags` label of each code. Spec: data-plane 7.2. */
export const hboneResponseFlags: Readonly<Record<HboneErrorCode, HboneResponseFlag>> = {
  CONNECT_FAILED: 'CONNECT',
  CONNECT_TIMEOUT: 'NETWORK_POLICY',
  TLS_FAILED: 'TLS_FAILURE',
  CERT_REVOKED: 'CERT_REVOKED',
  HTTP2_FAILED: 'H2_HANDSHAKE_FAILURE',
  HTTP_STATUS: 'CONNECT',
  STREAM_RESET: 'CONNECT',
  TUNNEL_LOST: 'CONNECT',
  KEEPALIVE_TIMEOUT: 'CONNECT',
  ABUSE: 'H2_HANDSHAKE_FAILURE',
  COPY_FAILED: 'CONNECT',
  CLOSED: 'CONNECT',
  POOL_FULL: 'CONNECT',
};

const statusPhrases: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  421: 'Misdirected Request',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

export function revokedError(): HboneError {
  return new HboneError('CERT_REVOKED', 'connection closed: peer certificate revoked by CRL');
}

export function statusError(status: number): HboneError {
  const phrase = statusPhrases[status] ?? '<unknown status code>';
  return new HboneError('HTTP_STATUS', `http status: ${status} ${phrase}`, { details: { status } });
}

const errnoTexts: Readonly<Record<number, string>> = {
  13: 'Permission denied',
  24: 'Too many open files',
  99: 'Cannot assign requested address',
  101: 'Network is unreachable',
  103: 'Software caused connection abort',
  104: 'Connection reset by peer',
  110: 'Connection timed out',
  111: 'Connection refused',
  113: 'No route to host',
};

/** The kernel's words for a positive errno, in the form operators know from the peer's log. */
export function errnoText(errno: number): string {
  const text = errnoTexts[errno];
  return text === undefined ? `os error ${errno}` : `${text} (os error ${errno})`;
}

/** TCP connect failed; `errno` positive. */
export function connectError(errno: number): HboneError {
  return new HboneError('CONNECT_FAILED', `connection failed: ${errnoText(errno)}`, {
    retryable: true,
    details: { errno },
  });
}

export function connectTimeoutError(detail: string): HboneError {
  const text = `connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: ${detail}`;
  return new HboneError('CONNECT_TIMEOUT', text, { retryable: true });
}
