import { canReceive, canSend, ReceiveWindow, SendWindow, type HeaderList, type StreamState } from '@ambit/http';
import { ByteQueue } from '@ambit/net';

import type { ExchangeError } from '../exchange-error.ts';
import type { FieldList } from '../field-list.ts';

/** Whose messages a stream carries. */
export interface Http2StreamUser {
  /** A header list of a response. False if it is no legal one here. */
  onHead(list: HeaderList, isEnd: boolean): boolean;
  onBody(buffer: Uint8Array, offset: number, length: number): void;
  onEnd(trailers: FieldList | undefined): void;
  onWritable(): void;
  /** No further calls. */
  onFailed(error: ExchangeError): void;
}

/** One stream of a connection: its windows, what waits to be sent, and what waits to be taken. */
export class Http2Stream {
  readonly id: number;
  readonly sendWindow: SendWindow;
  readonly receiveWindow: ReceiveWindow;
  state: StreamState = 'open';
  user: Http2StreamUser | undefined;
  /** The final head was sent (server) or received (client). */
  isAnswered = false;
  /** Bytes of DATA that have to come yet as announced; -1: not announced. */
  expectedBytes = -1;

  /** Written and not sent, as windows or the output do not allow it. */
  readonly unsent: ByteQueue = new ByteQueue();
  /** Ends after what is unsent. */
  hasUnsentEnd = false;
  unsentTrailers: FieldList | undefined;
  /** Nobody wants what the peer sends after our end. */
  dropsRest = false;
  /** In the queue of those that may send. */
  isQueued = false;
  /** A write was answered false. */
  wantsWritable = false;

  isPaused = false;
  /** Received while paused; at most the stream's window. */
  readonly untaken: ByteQueue = new ByteQueue();
  hasUntakenEnd = false;
  untakenTrailers: FieldList | undefined;
  /** In the queue of those that are given what they did not take. */
  isResuming = false;

  constructor(id: number, sendBytes: number, receiveBytes: number) {
    this.id = id;
    this.sendWindow = new SendWindow(id, sendBytes);
    this.receiveWindow = new ReceiveWindow(id, receiveBytes);
  }

  get canSend(): boolean {
    return canSend(this.state);
  }

  get canReceive(): boolean {
    return canReceive(this.state);
  }
}
