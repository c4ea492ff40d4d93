import { getSystemErrorName } from 'node:util';

/** What can go wrong in this library. Stable; listed in the README. */
export type NetErrorCode =
  | 'ADDON_MISSING'
  | 'SYSTEM_CALL'
  | 'TLS_CONTEXT'
  | 'BAD_REVOCATION_LIST'
  | 'BAD_ARGUMENT'
  | 'CHANNEL_LOST'
  | 'WORKER_DIED'
  | 'NO_CAPTURE';

/** A failed call of the io layer: `details.errno` (positive) and `details.call` name the kernel's answer. */
export class NetError extends Error {
  readonly code: NetErrorCode;
  readonly source: 'internal' = 'internal' as const;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, string | number>>;

  constructor(
    code: NetErrorCode,
    message: string,
    details: Readonly<Record<string, string | number>> = {},
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'NetError';
    this.code = code;
    this.retryable = false;
    this.details = details;
  }
}

/** Name of a result `-errno`, as `ECONNREFUSED`. */
export function errnoName(result: number): string {
  return result < 0 && result > -4096 ? getSystemErrorName(result) : String(result);
}

/** Returns `result`, or throws {@link NetError} `SYSTEM_CALL` if it is `-errno`. */
export function checked(call: string, result: number): number {
  if (result >= 0) return result;
  throw new NetError('SYSTEM_CALL', `${call}: ${errnoName(result)}`, { call, errno: -result });
}
