/** What the rules of receiving know of the connection and its streams; both have more to them than this. */
import type { ReceiveWindow, SendWindow } from '../flow-window.ts';

export interface ReceivedStream {
  readonly id: number;
  /** The peer has not ended its direction. */
  readonly canReceive: boolean;
  /** The final head was sent (server) or received (client). */
  readonly isAnswered: boolean;
  readonly sendWindow: SendWindow;
  readonly receiveWindow: ReceiveWindow;
}

/** Control frames on their way out. */
export interface ControlFrames {
  /** Set from the peer's SETTINGS. */
  peerMaxFrameBytes: number;
  setPeerTableSize(bytes: number): void;
  settingsAck(): void;
  /** `opaque`: 8 bytes at `from`. */
  ping(ack: boolean, opaque: Uint8Array, from: number): void;
  reset(streamId: number, code: number): void;
}

/** What was sent over the connection's life, and what may be. */
export interface SentData {
  readonly dataFramesSent: number;
  readonly dataBytesSent: number;
  readonly window: SendWindow;
}

export interface ReceivingConnection<Stream extends ReceivedStream> {
  readonly isServer: boolean;
  /** Monotonic time. */
  readonly loop: { readonly nowMs: number };
  readonly streams: ReadonlyMap<number, Stream>;
  /** What the peer may send on the connection. */
  readonly receiveWindow: ReceiveWindow;
  readonly sender: SentData;
  readonly frames: ControlFrames;
  /** Highest stream id that this side opened (client). */
  readonly lastOwnStreamId: number;
  /** Set from the peer's SETTINGS. */
  peerMaxStreams: number | undefined;
  /** Something is to be sent at the end of the turn. */
  schedule(): void;
  /** A stream may send more. */
  enqueue(stream: Stream): void;
  /** A SETTINGS frame of the peer was applied. */
  onPeerSettings(): void;
  onPingAnswer(opaque: Uint8Array, offset: number): void;
  onPeerGoAway(lastStreamId: number, code: number): void;
  onPeerReset(stream: Stream, code: number): void;
  /** The peer broke a rule on this stream, which is to be reset. */
  failStream(stream: Stream, code: number, detail: string): void;
}
