import type { HeaderList } from '@ambit/http';

import type { ExchangeError } from '../exchange-error.ts';

/** What makes a connection one of a server or of a client. */
export interface Http2Side {
  /** Server: a new stream. Returns why it is no request, or undefined. */
  acceptStream(streamId: number, list: HeaderList, isTooLong: boolean, isEnd: boolean): string | undefined;
  /** The number of streams, the peer's limits, or whether it takes streams at all has changed. At the end of a turn. */
  onChange(): void;
  /** Once, last. */
  onClosed(error: ExchangeError | undefined): void;
}
