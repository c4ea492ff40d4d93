/** Loopback connections and TLS sessions driven by an EventLoop, for the tests of this folder. */
import assert from 'node:assert/strict';
import { EPOLLIN, EPOLLOUT } from '../epoll-events.ts';
import { EventLoop } from '../event-loop.ts';
import { io, type Fd } from '../io.ts';
import { checked } from '../net-error.ts';
import { TLS_WANT_READ, TLS_WANT_WRITE, type TlsContext, type TlsSession } from '../tls.ts';

/** Turns the loop until the condition holds; fails after five seconds. */
export function turnUntil(loop: EventLoop, isDone: () => boolean, what: string): void {
  const deadline = performance.now() + 5000;
  while (!isDone()) {
    assert.ok(performance.now() < deadline, `not in time: ${what}`);
    loop.runOnce(50);
  }
}

/** A connected pair: connecting side, accepted side. */
export function tcpPair(address = '127.0.0.1'): [Fd, Fd] {
  using loop = new EventLoop();
  const listener = checked('tcpListen', io.tcpListen({ address, port: 0 }));
  const client = checked('tcpConnect', io.tcpConnect(io.localAddress(listener)));
  let server = -1;
  loop.add(listener, EPOLLIN, { onEvents: () => (server = io.accept(listener)) });
  turnUntil(loop, () => server >= 0, 'accept');
  io.close(listener);
  return [client, server];
}

/** One end of a TLS connection over loopback; disposing frees session and descriptor. */
export class TlsEnd implements Disposable {
  readonly session: TlsSession;
  readonly fd: Fd;

  constructor(context: TlsContext, fd: Fd, role: 'client' | 'server') {
    this.fd = fd;
    this.session = io.tlsSession(context, fd, role);
  }

  [Symbol.dispose](): void {
    io.tlsFree(this.session);
    io.close(this.fd);
  }
}

export function tlsPair(client: TlsContext, server: TlsContext): [TlsEnd, TlsEnd] {
  const [a, b] = tcpPair();
  return [new TlsEnd(client, a, 'client'), new TlsEnd(server, b, 'server')];
}

/** Handshakes all ends to a result; `[result, error text]` of each. */
export function handshake(loop: EventLoop, ends: readonly TlsEnd[]): [number, string][] {
  return ends
    .map((end) => {
      const state = { result: TLS_WANT_READ, error: '' };
      const step = () => {
        state.result = io.tlsHandshake(end.session);
        const isWaiting = state.result === TLS_WANT_READ || state.result === TLS_WANT_WRITE;
        if (!isWaiting && state.result !== 0) state.error = io.tlsError();
        loop.modify(end.fd, state.result === TLS_WANT_READ ? EPOLLIN : state.result === TLS_WANT_WRITE ? EPOLLOUT : 0);
      };
      loop.add(end.fd, EPOLLIN, { onEvents: step });
      step();
      return state;
    })
    .map((state, i): [number, string] => {
      turnUntil(loop, () => state.result !== TLS_WANT_READ && state.result !== TLS_WANT_WRITE, 'handshake');
      loop.remove(ends[i]?.fd ?? -1);
      return [state.result, state.error];
    });
}
