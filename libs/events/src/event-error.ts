import { AmbitError } from '@ambit/runtime';

/** `MALFORMED`: bytes that are not the event their subject says. `BAD_PATTERN`: a subject that cannot be one. */
export type EventErrorCode = 'MALFORMED' | 'BAD_PATTERN' | 'SOCKET';

/** What libs/events throws; publishing and delivering never do. */
export class EventError extends AmbitError {
  declare readonly code: EventErrorCode;

  constructor(code: EventErrorCode, message: string, cause?: unknown) {
    super(code, message, { source: code === 'MALFORMED' ? 'upstream' : 'internal', cause });
  }
}
