import { AmbitError } from '@ambit/runtime';
import { isPlainObject } from '../object-reader.ts';

/**
 * What went wrong with a request to the API server.
 * - `UNREACHABLE`: no answer; the connection failed or broke
 * - `TIMEOUT`: no answer in time
 * - `TOO_LARGE`, `MALFORMED`: an answer that cannot be used
 * - `ACCESS`: kubeconfig or service account files that cannot be used
 * - the others: what the API server answered
 */
export type KubeErrorCode =
  | 'ACCESS'
  | 'BAD_REQUEST'
  | 'CONFLICT'
  | 'FORBIDDEN'
  | 'GONE'
  | 'INVALID'
  | 'MALFORMED'
  | 'NOT_FOUND'
  | 'SERVER'
  | 'THROTTLED'
  | 'TIMEOUT'
  | 'TOO_LARGE'
  | 'UNAUTHORIZED'
  | 'UNREACHABLE';

export interface KubeErrorOptions {
  /** HTTP status, or `code` of a Status object; 0 without an answer. */
  readonly httpStatus?: number;
  /** `reason` of the Status object, such as `AlreadyExists`; empty without one. */
  readonly reason?: string;
  /** How long the API server asks to wait, milliseconds. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

const RETRYABLE: ReadonlySet<KubeErrorCode> = new Set(['SERVER', 'THROTTLED', 'TIMEOUT', 'UNREACHABLE']);

/** A failed request to the API server. `message` is the API server's own sentence where there is one. */
export class KubeError extends AmbitError {
  declare readonly code: KubeErrorCode;
  readonly httpStatus: number;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;

  constructor(code: KubeErrorCode, message: string, options: KubeErrorOptions = {}) {
    const { httpStatus = 0, reason = '', retryAfterMs, cause } = options;
    super(code, message, {
      source: 'upstream',
      retryable: RETRYABLE.has(code),
      details: { httpStatus, reason },
      ...(cause === undefined ? {} : { cause }),
    });
    this.httpStatus = httpStatus;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Longest message taken over from an answer. */
const MAX_MESSAGE = 2048;

/**
 * The error of an HTTP answer, or of an ERROR event of a watch. `body` is a Status object, or whatever else came.
 * Spec: meta/v1 Status.
 */
export function errorOfStatus(httpStatus: number, body: unknown, what: string, retryAfterMs?: number): KubeError {
  const status = isPlainObject(body) && body['kind'] === 'Status' ? body : {};
  const reason = typeof status['reason'] === 'string' ? status['reason'] : '';
  const told = typeof status['message'] === 'string' ? status['message'].slice(0, MAX_MESSAGE) : '';
  const message = told === '' ? `${what}: the API server answered ${httpStatus}` : `${what}: ${told}`;
  return new KubeError(codeOf(httpStatus, reason, status), message, { httpStatus, reason, retryAfterMs });
}

/** A resource version that the API server does not know any more, or not yet after a restore from a backup. */
function isUnknownVersion(reason: string, status: Readonly<Record<string, unknown>>): boolean {
  if (reason === 'Expired' || reason === 'Gone') return true;
  const details = status['details'];
  const causes = isPlainObject(details) && Array.isArray(details['causes']) ? details['causes'] : [];
  return causes.some((cause) => isPlainObject(cause) && cause['reason'] === 'ResourceVersionTooLarge');
}

function codeOf(httpStatus: number, reason: string, status: Readonly<Record<string, unknown>>): KubeErrorCode {
  if (isUnknownVersion(reason, status)) return 'GONE';
  switch (httpStatus) {
    case 400:
      return 'BAD_REQUEST';
    case 401:
      return 'UNAUTHORIZED';
    case 403:
      return 'FORBIDDEN';
    case 404:
      return 'NOT_FOUND';
    case 409:
      return 'CONFLICT';
    case 410:
      return 'GONE';
    case 422:
      return 'INVALID';
    case 429:
      return 'THROTTLED';
    case 504:
      return 'TIMEOUT';
    default:
      return httpStatus >= 500 ? 'SERVER' : 'BAD_REQUEST';
  }
}

/** Any failure as a KubeError. */
export function toKubeError(cause: unknown, what: string): KubeError {
  if (cause instanceof KubeError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new KubeError('UNREACHABLE', `${what}: ${reason}`, { cause });
}
