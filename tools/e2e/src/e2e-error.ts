import { AmbitError } from '@ambit/runtime';

/**
 * - `NOT_READY`: something of the cluster did not come about in time; the message says what was seen last.
 * - `UNEXPECTED_ANSWER`: a program answered something that cannot be read.
 */
export type E2eErrorCode = 'NOT_READY' | 'UNEXPECTED_ANSWER';

export class E2eError extends AmbitError {
  constructor(code: E2eErrorCode, message: string, cause?: unknown) {
    super(code, message, { cause });
  }
}
