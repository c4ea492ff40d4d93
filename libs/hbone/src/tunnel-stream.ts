import { canReceive, canSend, ErrorCode, ReceiveWindow, SendWindow } from '@ambit/http';
import type { HeaderList, StreamState } from '@ambit/http';
import { ByteQueue, type Fd } from '@ambit/net';

import type { HboneError } from './hbone-error.ts';
import { writePending } from './write-pending.ts';

/** Who uses a stream at the moment: a request that waits for its answer, then a bridge. */
export interface StreamUser {
  /** Response head or, on a server, never. */
  onHead(head: HeaderList): void;
  /** Takes a part of the view and returns how many bytes; the stream keeps the rest. The view ends with the call. */
  onData(buffer: Uint8Array, offset: number, length: number): number;
  /** END_STREAM came. Bytes may still be pending in the stream. */
  onEnd(): void;
  onReset(code: number): void;
  /** The connection is gone. Bytes may still be pending in the stream. */
  onLost(error: HboneError): void;
  /** May send now: at most one frame. Returns whether it wants another turn. */
  fill(): boolean;
}

/** What a stream needs of its connection. */
export interface StreamCarrier {
  enqueue(stream: TunnelStream): void;
  /** Bytes left the stream's buffer: credit for the peer. */
  release(stream: TunnelStream, bytes: number): void;
  /** Reads from `fd` into a DATA frame; see TunnelSender.readInto. */
  readInto(stream: TunnelStream, fd: Fd): number;
  /** Copies bytes into a DATA frame; see TunnelSender.copyInto. */
  copyInto(stream: TunnelStream, buffer: Uint8Array, offset: number, length: number): number;
  sendEnd(stream: TunnelStream): void;
  reset(stream: TunnelStream, code: number): void;
  respond(stream: TunnelStream, status: number, headers: readonly HeaderField[], endStream: boolean): void;
  /** Bytes the last `readInto` had room for. */
  readonly lastRoom: number;
}

/** Name in lower case, value; one byte a character. */
export type HeaderField = readonly [name: string, value: string];

/** One HTTP/2 stream of a tunnel. Owned by its connection; ends with both directions or a reset. */
export class TunnelStream {
  readonly id: number;
  readonly connection: StreamCarrier;
  readonly sendWindow: SendWindow;
  readonly receiveWindow: ReceiveWindow;
  state: StreamState = 'idle';
  user: StreamUser | undefined;
  /** Received and not yet taken by the user; at most the stream window. */
  pending: ByteQueue | undefined;
  isQueued = false;
  /** A response head was sent or received. */
  isAnswered = false;
  /** The peer ended its direction properly. */
  isRemoteEnded = false;
  /** Error code of a reset by the peer, or the loss of the connection. */
  resetCode: number | undefined;
  lost: HboneError | undefined;

  constructor(connection: StreamCarrier, id: number, sendBytes: number, receiveBytes: number) {
    this.connection = connection;
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

  /** Bytes of a DATA frame: to the user first, what it does not take is kept. */
  receive(buffer: Uint8Array, offset: number, length: number): void {
    let taken = 0;
    if (this.user !== undefined && (this.pending === undefined || this.pending.length === 0)) {
      taken = this.user.onData(buffer, offset, length);
      if (taken > 0) this.connection.release(this, taken);
    }
    if (taken === length) return;
    this.pending ??= new ByteQueue();
    this.pending.append(buffer, offset + taken, length - taken);
  }

  /** Writes pending bytes to `fd`; returns what `writePending` does. */
  flushPending(fd: Fd): number {
    if (this.pending === undefined) return 0;
    const written = writePending(this.pending, fd);
    if (written > 0) this.connection.release(this, written);
    if (this.pending.length === 0) this.pending = undefined;
    return written;
  }

  /** Hands a part of the pending bytes over; how many, 0 if there are none. */
  handOverPending(take: (buffer: Uint8Array, offset: number, length: number) => void): number {
    const pending = this.pending;
    if (pending === undefined) return 0;
    const taken = pending.handOver(take);
    if (pending.length === 0 && this.pending === pending) this.pending = undefined;
    if (taken > 0) this.connection.release(this, taken);
    return taken;
  }

  dropPending(): void {
    const dropped = this.pending?.length ?? 0;
    this.pending?.clear();
    this.pending = undefined;
    if (dropped > 0) this.connection.release(this, dropped);
  }

  get hasPending(): boolean {
    return this.pending !== undefined;
  }

  /** Ends the stream now. Harmless on one that has ended. */
  reset(code: number = ErrorCode.cancel): void {
    this.connection.reset(this, code);
  }
}
