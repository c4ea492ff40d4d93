import { AmbitError } from '@ambit/runtime';

/** Codes of {@link EventError}; the README says what each means. */
export type EventErrorCode = 'MALFORMED' | 'BAD_PATTERN' | 'BAD_ADDRESS' | 'SOCKET';

/** What libs/events throws; publishing and delivering never do. */
export class EventError extends AmbitError {
  declare readonly code: EventErrorCode;

  constructor(code: EventErrorCode, message: string, cause?: unknown) {
    super(code, message, { source: code === 'MALFORMED' ? 'upstream' : 'internal', cause });
  }
}
