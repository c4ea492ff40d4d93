/** Connections through a forward proxy: HTTP asks it to connect, then the exchange is the connection. Istio: DestinationRule, tunnel. */
import {
  type ClientConnection,
  type ClientConnectionOwner,
  type ClientConnectionSettings,
  type ClientExchange,
  type ClientExchangeUser,
  defaultClientConnectionSettings,
  type ExchangeError,
  FieldList,
  type RequestHead,
  type ResponseHead,
} from '@ambit/exchange';
import {
  type ByteChannel,
  type ByteChannelUser,
  type EventLoop,
  NetError,
  type TimerHandler,
  type TimerId,
} from '@ambit/net';

import type { ConnectFailure } from '../../request/upstream.ts';
import type { ChannelReceiver } from './endpoint-channel.ts';

export interface ProxyTunnelOptions {
  /** What the proxy is asked to connect to: host and port. */
  readonly authority: string;
  readonly byPost: boolean;
  readonly timeoutMs: number;
  /** HTTP as the proxy speaks it. */
  connect(channel: ByteChannel, owner: ClientConnectionOwner, settings: ClientConnectionSettings): ClientConnection;
}

/** Asks the proxy at the other end of a channel, which it owns from now on. Tells `receiver` as a dial would. */
export function beginProxyTunnel(
  loop: EventLoop,
  channel: ByteChannel,
  localAddress: string,
  options: ProxyTunnelOptions,
  receiver: ChannelReceiver,
): void {
  new ProxyTunnel(loop, channel, localAddress, options, receiver);
}

/** A connection for each tunnel: it ends with its only exchange. */
class ProxyTunnel implements ByteChannel, ClientConnectionOwner, ClientExchangeUser, TimerHandler {
  readonly #loop: EventLoop;
  readonly #inner: ByteChannel;
  readonly #localAddress: string;
  readonly #method: string;
  readonly #connection: ClientConnection;
  readonly #exchange: ClientExchange;
  readonly #timer: TimerId;
  /** Until the proxy has answered. */
  #receiver: ChannelReceiver | undefined;
  #user: ByteChannelUser | undefined;
  #isPaused = false;
  #isOver = false;
  /** Nobody was there to be told. */
  #untold: NetError | undefined;

  constructor(
    loop: EventLoop,
    channel: ByteChannel,
    localAddress: string,
    { authority, byPost, timeoutMs, connect }: ProxyTunnelOptions,
    receiver: ChannelReceiver,
  ) {
    this.#loop = loop;
    this.#inner = channel;
    this.#localAddress = localAddress;
    this.#receiver = receiver;
    this.#method = byPost ? 'POST' : 'CONNECT';
    this.#connection = connect(channel, this, defaultClientConnectionSettings);
    this.#exchange = this.#connection.request(tunnelHead(this.#method, authority), false, this);
    this.#connection.drain();
    this.#timer = loop.setTimer(timeoutMs, this);
  }

  get queuedBytes(): number {
    return this.#inner.queuedBytes;
  }

  attach(user: ByteChannelUser): void {
    if (this.#untold !== undefined) return user.onLost(this.#untold);
    this.#user = user;
    if (!this.#isPaused) this.#exchange.resume();
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    return this.#isOver || this.#exchange.write(buffer, offset, length);
  }

  flush(): void {
    this.#inner.flush();
  }

  end(): void {
    if (!this.#isOver) this.#exchange.end();
  }

  pause(): void {
    this.#isPaused = true;
    if (!this.#isOver) this.#exchange.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (!this.#isOver) this.#exchange.resume();
  }

  close(): void {
    if (this.#isOver) return;
    this.#end();
    this.#exchange.abort();
    this.#connection.close();
  }

  onTimer(): void {
    this.#fail({ kind: 'timeout', transportReason: 'the forward proxy did not answer in time' });
  }

  onCapacity(): void {
    // There is one exchange.
  }

  onClosed(): void {
    // The exchange has been told.
  }

  onInformational(): void {
    // The answer is still to come.
  }

  onResponse({ status }: ResponseHead, isEnd: boolean): void {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    if (status < 200 || status > 299 || isEnd) {
      return this.#fail({
        kind: 'refused',
        transportReason: `the forward proxy answered ${status} to ${this.#method}`,
      });
    }
    this.#receiver = undefined;
    this.#loop.clearTimer(this.#timer);
    // Until somebody attaches, the rest waits.
    this.#exchange.pause();
    receiver.onChannel(this, this.#localAddress);
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    this.#user?.onBytes(buffer, offset, length);
  }

  onEnd(): void {
    this.#user?.onEnd();
  }

  onWritable(): void {
    this.#user?.onWritable();
  }

  onAborted({ message }: ExchangeError): void {
    if (this.#receiver !== undefined) return this.#fail({ kind: 'refused', transportReason: message });
    const error = new NetError('CHANNEL_LOST', message);
    const user = this.#user;
    this.#end();
    if (user === undefined) this.#untold = error;
    user?.onLost(error);
  }

  #fail(failure: ConnectFailure): void {
    const receiver = this.#receiver;
    this.close();
    receiver?.onChannelFailed(failure);
  }

  #end(): void {
    this.#isOver = true;
    this.#user = undefined;
    this.#receiver = undefined;
    this.#loop.clearTimer(this.#timer);
  }
}

function tunnelHead(method: string, authority: string): RequestHead {
  return {
    method,
    scheme: 'http',
    authority,
    target: '/',
    fields: new FieldList(),
    protocol: 'HTTP/1.1',
    contentLength: undefined,
    hasBody: true,
    upgrade: undefined,
    expectsContinue: false,
  };
}
