import {
  type ByteChannel,
  type ByteChannelUser,
  Deadline,
  type DeadlineUser,
  type EventLoop,
  type NetError,
  type TurnEndTask,
} from '@ambit/net';

import type { ServerConnectionSettings } from './connection-settings.ts';
import { detectHttp } from './detect-http.ts';
import { ExchangeError } from './exchange-error.ts';
import { Http1ServerConnection } from './http1/http1-server-connection.ts';
import { Http2ServerConnection } from './http2/http2-server-connection.ts';
import type { ServerConnection, ServerConnectionHandler } from './server-exchange.ts';

/**
 * A connection that takes requests in the version of HTTP which its first bytes speak. What is neither gets HTTP/1.1's answer.
 * Attaches itself to the channel and owns it.
 */
export function acceptHttp(
  channel: ByteChannel,
  handler: ServerConnectionHandler,
  loop: EventLoop,
  settings: ServerConnectionSettings,
): ServerConnection {
  return new DetectingConnection(channel, handler, loop, settings);
}

const nobody: ByteChannelUser = { onBytes() {}, onEnd() {}, onWritable() {}, onLost() {} };

class DetectingConnection implements ServerConnection, ByteChannelUser, DeadlineUser, TurnEndTask {
  readonly #channel: ByteChannel;
  readonly #handler: ServerConnectionHandler;
  readonly #loop: EventLoop;
  readonly #settings: ServerConnectionSettings;
  readonly #deadline: Deadline;
  #first: Uint8Array = new Uint8Array(0);
  #connection: ServerConnection | undefined;
  #user: ByteChannelUser = nobody;
  #isClosed = false;

  constructor(
    channel: ByteChannel,
    handler: ServerConnectionHandler,
    loop: EventLoop,
    settings: ServerConnectionSettings,
  ) {
    this.#channel = channel;
    this.#handler = handler;
    this.#loop = loop;
    this.#settings = settings;
    this.#deadline = new Deadline(loop, this);
    this.#deadline.set(settings.headTimeoutMs);
    channel.attach(this);
  }

  get protocol(): 'HTTP/1.1' | 'HTTP/2' {
    return this.#connection?.protocol ?? 'HTTP/1.1';
  }

  get activeExchanges(): number {
    return this.#connection?.activeExchanges ?? 0;
  }

  drain(): void {
    if (this.#connection === undefined) this.close();
    else this.#connection.drain();
  }

  close(): void {
    if (this.#connection !== undefined) return this.#connection.close();
    if (this.#isClosed) return;
    this.#shut();
    this.#loop.atTurnEnd(this);
  }

  onTurnEnd(): void {
    this.#handler.onClosed(undefined);
  }

  onDeadline(): void {
    this.#shut();
    this.#handler.onClosed(new ExchangeError('timeout', 'nothing that looks like HTTP came in time'));
  }

  onBytes(buffer: Uint8Array, offset: number, length: number): void {
    if (this.#isClosed) return;
    if (this.#connection !== undefined) return this.#user.onBytes(buffer, offset, length);
    if (this.#first.length === 0) {
      const detected = detectHttp(buffer, offset, length);
      if (detected !== 'more') return this.#begin(detected === 'HTTP/2', buffer, offset, length);
    }
    const joined = new Uint8Array(this.#first.length + length);
    joined.set(this.#first);
    joined.set(buffer.subarray(offset, offset + length), this.#first.length);
    this.#first = joined;
    const detected = detectHttp(joined, 0, joined.length);
    if (detected !== 'more') this.#begin(detected === 'HTTP/2', joined, 0, joined.length);
  }

  onEnd(): void {
    if (this.#connection !== undefined) return this.#user.onEnd();
    if (this.#isClosed) return;
    this.#channel.end();
    this.#channel.flush();
    this.#shut();
    this.#handler.onClosed(undefined);
  }

  onWritable(): void {
    this.#user.onWritable();
  }

  onLost(error: NetError): void {
    if (this.#connection !== undefined) return this.#user.onLost(error);
    if (this.#isClosed) return;
    this.#shut();
    this.#handler.onClosed(undefined);
  }

  #begin(isHttp2: boolean, buffer: Uint8Array, offset: number, length: number): void {
    this.#deadline.stop();
    const Connection = isHttp2 ? Http2ServerConnection : Http1ServerConnection;
    const channel = new HandedOverChannel(this.#channel, (user) => (this.#user = user));
    this.#connection = new Connection(channel, this.#handler, this.#loop, this.#settings);
    this.#user.onBytes(buffer, offset, length);
  }

  #shut(): void {
    this.#isClosed = true;
    this.#deadline.stop();
    this.#channel.close();
  }
}

/** The channel of a connection that began after its first bytes: calls of the channel come through the detector. */
class HandedOverChannel implements ByteChannel {
  readonly #channel: ByteChannel;
  readonly #onAttach: (user: ByteChannelUser) => void;

  constructor(channel: ByteChannel, onAttach: (user: ByteChannelUser) => void) {
    this.#channel = channel;
    this.#onAttach = onAttach;
  }

  get queuedBytes(): number {
    return this.#channel.queuedBytes;
  }

  attach(user: ByteChannelUser): void {
    this.#onAttach(user);
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    return this.#channel.write(buffer, offset, length);
  }

  flush(): void {
    this.#channel.flush();
  }

  end(): void {
    this.#channel.end();
  }

  pause(): void {
    this.#channel.pause();
  }

  resume(): void {
    this.#channel.resume();
  }

  close(): void {
    this.#channel.close();
  }
}
