import { AmbitError } from '@ambit/runtime';

/**
 * - `ZDS_NO_ZTUNNEL`: nobody is connected; retry later.
 * - `ZDS_CLOSED`: the connection ended before the answer came.
 * - `ZDS_TIMEOUT`: no answer in time; the connection was closed, since a late answer would be taken for the next one's.
 * - `ZDS_REFUSED`: ztunnel answered with an error, which is the message.
 * - `ZDS_QUEUE_FULL`: too many requests are waiting.
 * - `ZDS_PROTOCOL`: the peer said something that is not allowed at this point.
 */
export type ZdsErrorCode =
  | 'ZDS_NO_ZTUNNEL'
  | 'ZDS_CLOSED'
  | 'ZDS_TIMEOUT'
  | 'ZDS_REFUSED'
  | 'ZDS_QUEUE_FULL'
  | 'ZDS_PROTOCOL';

export class ZdsError extends AmbitError {
  constructor(code: ZdsErrorCode, message: string, cause?: unknown) {
    super(code, message, { source: 'downstream', retryable: code !== 'ZDS_PROTOCOL', cause });
  }
}
