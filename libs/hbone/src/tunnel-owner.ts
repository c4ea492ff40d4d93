import type { HeaderList } from '@ambit/http';

import type { HboneError } from './hbone-error.ts';
import type { TunnelStream } from './tunnel-stream.ts';

/** What a connection tells the server or the pool that has it. */
export interface TunnelOwner {
  /** Server: a legal request of any method. */
  onRequest(stream: TunnelStream, head: HeaderList): void;
  /** The peer's settings changed; the first call proves that it speaks HTTP/2. */
  onSettings(): void;
  /** The peer takes no more streams. */
  onGoAway(): void;
  /** The last stream has ended. */
  onIdle(): void;
  /** Once, last. Without error: closed by agreement. */
  onClosed(error: HboneError | undefined): void;
}
