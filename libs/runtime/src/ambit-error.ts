/**
 * The shape of every error Ambit throws.
 *
 * Each library has one subclass with a closed set of codes. The message starts with what an operator can check;
 * everything else travels in fields, so that one table per app can turn a code into a status, a flag or a label.
 */

/** Who caused a failure: the peer that called, the peer that was called, Ambit itself, or a rule someone wrote. */
export type ErrorSource = 'downstream' | 'upstream' | 'internal' | 'policy';

/** Defaults: source `internal`, not retryable, no details. */
export interface AmbitErrorOptions {
  readonly source?: ErrorSource;
  /** True when the same call may succeed later without anyone changing anything. */
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** Base of all errors here; `code` is stable and listed in the README of the library that throws it. */
export class AmbitError extends Error {
  readonly code: string;
  readonly source: ErrorSource;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, options: AmbitErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.source = options.source ?? 'internal';
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }
}

/** Normalises anything caught into an AmbitError; what already is one comes back unchanged. */
export function toAmbitError(cause: unknown): AmbitError {
  if (cause instanceof AmbitError) return cause;
  if (cause instanceof Error) {
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : 'UNEXPECTED';
    return new AmbitError(code, cause.message, { cause });
  }
  return new AmbitError('UNEXPECTED', String(cause), { cause });
}

/** Ends an exhaustive switch: a value that gets here was not foreseen by the types. */
export function assertNever(value: never): never {
  throw new AmbitError('UNREACHABLE', `unexpected value: ${JSON.stringify(value)}`);
}
