/** The processes of loopback.ts. The load and the server are plain loops over `io`, so that they cost little. */

import { EAGAIN, EPOLLIN, EPOLLOUT, EventLoop, io } from '@ambit/net';
import type { Fd } from '@ambit/net';

import { HbonePool, HboneServer } from '../src/index.ts';
import type { InboundStream } from '../src/index.ts';

const role = process.argv[2] ?? '';
const options = JSON.parse(process.argv[3] ?? '{}');
const sink = { onClose: (): void => {} };

function listen(loop: EventLoop, onAccept: (fd: Fd) => void): number {
  const listener = io.tcpListen({ address: '127.0.0.1', port: 0, backlog: 4096 });
  loop.add(listener, EPOLLIN, {
    onEvents: () => {
      for (let fd = io.accept(listener); fd >= 0; fd = io.accept(listener)) onAccept(fd);
    },
  });
  return io.localAddress(listener).port;
}

/** Runs the blocking loop, coming up to look for messages of the parent. */
function serve(loop: EventLoop, port: number): void {
  process.send?.({ port });
  process.on('message', (message) => {
    if (message === 'stop') process.exit(0);
    if (message === 'gc') (globalThis as { gc?: () => void }).gc?.();
  });
  const turns = (): void => {
    const until = performance.now() + 100;
    while (performance.now() < until) loop.runOnce(100);
    setImmediate(turns);
  };
  setImmediate(turns);
}

function inbound(): void {
  const loop = new EventLoop();
  const server = new HboneServer({ loop });
  const tls = io.tlsContext(options.certificate);
  const handler = {
    onPeer: () => true,
    onConnect: (stream: InboundStream) => {
      const fd = io.tcpConnect({ address: '127.0.0.1', port: Number(stream.authority.split(':')[1]) });
      loop.add(fd, EPOLLOUT, {
        onEvents: () => {
          stream.respond(200);
          stream.bridge(fd, sink);
        },
      });
    },
    onClosed: () => {},
    onHandshakeFailed: () => {},
  };
  serve(
    loop,
    listen(loop, (fd) => server.accept(fd, tls, handler)),
  );
}

function outbound(): void {
  const loop = new EventLoop();
  const pool = new HbonePool({ loop });
  const tls = io.tlsContext(options.certificate);
  const dial = { address: '127.0.0.1', port: options.hbonePort, tls, verifyPeer: () => true };
  const key = {
    sourceIdentity: 'a',
    destinationIdentities: ['b'],
    address: '127.0.0.1',
    port: 1,
    sourceAddress: '127.0.0.1',
  };
  const request = {
    authority: `127.0.0.1:${options.serverPort}`,
    headers: [['baggage', 'k8s.namespace.name=a']] as const,
  };
  const port = listen(loop, (fd) => {
    io.setNoDelay(fd, true);
    pool.connect(key, dial, request, {
      onConnected: (stream) => void stream.bridge(fd, sink),
      onError: () => void io.close(fd),
    });
  });
  serve(loop, port);
}

const requestBytes = 1024;

/** First byte of a connection: r = echo 1 KiB, u = swallow, d = send for ever. */
function server(): void {
  const loop = new EventLoop();
  const buffer = Buffer.alloc(256 * 1024);
  const port = listen(loop, (fd) => {
    io.setNoDelay(fd, true);
    let mode = 0;
    loop.add(fd, EPOLLIN, {
      onEvents: (events: number) => {
        if (mode === 100) {
          while (io.write(fd, buffer, 0, buffer.length) === buffer.length);
          if ((events & ~(EPOLLIN | EPOLLOUT)) === 0) return;
        }
        const got = io.read(fd, buffer, 0, buffer.length);
        if (got === -EAGAIN) return;
        if (got <= 0) {
          loop.remove(fd);
          io.close(fd);
          return;
        }
        if (mode === 0) mode = buffer[0] ?? 0;
        if (mode === 114) io.write(fd, buffer, 0, got);
        else if (mode === 100) loop.modify(fd, EPOLLIN | EPOLLOUT);
      },
    });
  });
  serve(loop, port);
}

function load(): void {
  const loop = new EventLoop();
  const buffer = Buffer.alloc(256 * 1024, options.mode === 'bulk-up' ? 'u' : options.mode === 'bulk-down' ? 'd' : 'r');
  const into = Buffer.alloc(256 * 1024);
  const start = performance.now();
  const end = start + options.seconds * 1000;
  let requests = 0;
  let bytes = 0;
  let answered = 0;
  const times: number[] = [];
  const open = (): void => {
    const fd = io.tcpConnect({ address: '127.0.0.1', port: options.port });
    let begun = 0;
    let left = 0;
    let isUp = false;
    const ask = (): void => {
      begun = performance.now();
      left = requestBytes;
      io.write(fd, buffer, 0, requestBytes);
    };
    loop.add(fd, EPOLLOUT, {
      onEvents: () => {
        if (options.mode === 'bulk-up') {
          const put = io.write(fd, buffer, 0, buffer.length);
          if (put > 0) bytes += put;
          return;
        }
        if (!isUp) {
          isUp = true;
          loop.modify(fd, EPOLLIN);
          if (options.mode === 'bulk-down') io.write(fd, buffer, 0, 1);
          else ask();
          return;
        }
        const got = io.read(fd, into, 0, into.length);
        if (options.mode === 'bulk-down') {
          bytes += Math.max(0, got);
          return;
        }
        if (got <= 0) return;
        left -= got;
        if (left > 0) return;
        requests++;
        answered++;
        if (times.length < 200_000) times.push(performance.now() - begun);
        if (options.mode === 'rr') ask();
        else if (options.mode === 'connect') {
          loop.remove(fd);
          io.close(fd);
          if (performance.now() < end) open();
        }
      },
    });
  };
  for (let i = 0; i < options.connections; i++) open();
  const isDone = (): boolean => (options.mode === 'idle' ? answered === options.connections : performance.now() >= end);
  while (!isDone()) loop.runOnce(50);
  times.sort((a, b) => a - b);
  const p50Us = Math.round((times[times.length >> 1] ?? 0) * 1000);
  process.send?.({ port: 0, result: { requests, bytes, p50Us, seconds: (performance.now() - start) / 1000 } });
  process.on('message', () => {});
}

const roles: Record<string, () => void> = { inbound, outbound, server, load };
roles[role]?.();
