import type { NetError } from './net-error.ts';

/**
 * A duplex byte stream on an event loop: a socket, a TLS session on a socket, or a stream of a tunnel. Owned by the one that
 * attached itself; every method runs on the loop's thread. A channel never calls its user from inside a call of the user's
 * other than `attach`, so that states change in one place.
 */
export interface ByteChannel {
  /** Who is told from now on; reading starts. Once. */
  attach(user: ByteChannelUser): void;
  /**
   * Queues bytes, all of them; copied before it returns. False when more than the high-water mark waits to leave: the
   * caller stops until `onWritable`, and what it sends nevertheless is kept. After `end`, `close` or a loss bytes go nowhere.
   */
  write(buffer: Uint8Array, offset: number, length: number): boolean;
  /** Sends what is queued before the turn of the loop ends by itself. Seldom needed: a turn's writes leave together. */
  flush(): void;
  /** Nothing more is written: what is queued leaves, then the peer sees the end (FIN, close_notify, END_STREAM). */
  end(): void;
  /** No `onBytes` after this until `resume`; what arrives waits at the peer or within the bounds of flow control. */
  pause(): void;
  resume(): void;
  /** Ends both directions at once (RST, or RST_STREAM with CANCEL); no further calls of the user. Harmless when repeated. */
  close(): void;
  /** Bytes that wait to leave. */
  readonly queuedBytes: number;
}

/** Who uses a channel. */
export interface ByteChannelUser {
  /** Bytes arrived; the view is valid during the call, and all of it counts as taken. */
  onBytes(buffer: Uint8Array, offset: number, length: number): void;
  /** The peer sends nothing more. The other direction goes on. */
  onEnd(): void;
  /** Fewer bytes than the low-water mark wait to leave; follows a `write` that returned false. */
  onWritable(): void;
  /** The channel is gone, by failure of the peer or the network; told once, unless it was closed by its user. */
  onLost(error: NetError): void;
}
