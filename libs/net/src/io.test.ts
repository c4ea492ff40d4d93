import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { describe, test } from 'node:test';
import { EADDRINUSE, EAGAIN, EBADF, ECONNREFUSED, EINVAL, EPIPE } from './errno.ts';
import { EPOLLIN, EPOLLOUT } from './epoll-events.ts';
import { EventLoop } from './event-loop.ts';
import { io } from './io.ts';
import { checked, NetError } from './net-error.ts';
import { tcpPair, turnUntil } from './test-support/loopback.ts';

/** Waits until the descriptor has one of the events. */
function awaitEvents(fd: number, events: number): void {
  using loop = new EventLoop();
  let isReady = false;
  loop.add(fd, events, { onEvents: () => (isReady = true) });
  turnUntil(loop, () => isReady, 'events');
}

describe('TCP', () => {
  test('carries bytes, half-closes, and ends with 0', () => {
    const [a, b] = tcpPair();
    const buffer = Buffer.alloc(16);
    assert.equal(io.read(b, buffer, 0, 16), -EAGAIN);
    assert.equal(io.write(a, Buffer.from('__hello__'), 2, 5), 5);
    assert.equal(io.shutdownWrite(a), 0);
    awaitEvents(b, EPOLLIN);
    assert.equal(io.read(b, buffer, 3, 13), 5);
    assert.equal(buffer.toString('latin1', 3, 8), 'hello');
    assert.equal(io.read(b, buffer, 0, 16), 0);
    assert.equal(io.write(b, Buffer.from('back'), 0, 4), 4);
    awaitEvents(a, EPOLLIN);
    assert.equal(io.read(a, buffer, 0, 16), 4);
    assert.equal(io.write(a, buffer, 0, 1), -EPIPE);
    for (const fd of [a, b]) assert.equal(io.close(fd), 0);
  });

  test('reads into and writes from parts of one buffer, leaving the holes alone', () => {
    const [a, b] = tcpPair();
    const source = Buffer.from('..abc..defg');
    assert.equal(io.writevSpans(a, source, Int32Array.of(2, 3, 7, 4), 2), 7);
    awaitEvents(b, EPOLLIN);
    const slab = Buffer.from('---------------');
    assert.equal(io.readvSpans(b, slab, Int32Array.of(1, 3, 6, 9), 2), 7);
    assert.equal(slab.toString('latin1'), '-abc--defg-----');
    assert.equal(io.writev(a, [Buffer.from('x'), Buffer.from('yz')]), 3);
    awaitEvents(b, EPOLLIN);
    const parts = [Buffer.alloc(2), Buffer.alloc(2)];
    assert.equal(io.readv(b, parts), 3);
    assert.equal(Buffer.concat(parts).toString('latin1'), 'xyz\0');
    for (const fd of [a, b]) io.close(fd);
  });

  test('refuses spans outside of the buffer and wrong arguments, without touching anything', () => {
    const [a, b] = tcpPair();
    const bytes = new Uint8Array(4);
    for (const [offset, length] of [
      [0, 5],
      [4, 1],
      [-1, 2],
      [0, -1],
      [2 ** 31 - 1, 2 ** 31 - 1],
    ] as const) {
      assert.equal(io.write(a, bytes, offset, length), -EINVAL);
      assert.equal(io.read(a, bytes, offset, length), -EINVAL);
      assert.equal(io.writevSpans(a, bytes, Int32Array.of(offset, length), 1), -EINVAL);
      assert.equal(io.readvSpans(a, bytes, Int32Array.of(offset, length), 1), -EINVAL);
    }
    assert.equal(io.readvSpans(a, bytes, Int32Array.of(0, 1), 2), -EINVAL);
    assert.equal(io.readvSpans(a, bytes, new Int32Array(200), 65), -EINVAL);
    assert.equal(io.writev(a, []), -EINVAL);
    assert.equal(io.write(a, 'text' as unknown as Uint8Array, 0, 1), -EINVAL);
    assert.equal(io.write('1' as unknown as number, bytes, 0, 1), -EBADF);
    assert.equal(io.read(b, bytes, 0, 4), -EAGAIN);
    for (const fd of [a, b]) io.close(fd);
  });

  test('works on shared memory', () => {
    const [a, b] = tcpPair();
    const shared = new Uint8Array(new SharedArrayBuffer(8));
    shared.set([1, 2, 3]);
    assert.equal(io.write(a, shared, 0, 3), 3);
    awaitEvents(b, EPOLLIN);
    assert.equal(io.read(b, shared, 4, 4), 3);
    assert.deepEqual([...shared], [1, 2, 3, 0, 1, 2, 3, 0]);
    for (const fd of [a, b]) io.close(fd);
  });

  test('tells a refused connection by socketError', () => {
    const closed = checked('tcpListen', io.tcpListen({ address: '127.0.0.1', port: 0 }));
    const target = io.localAddress(closed);
    io.close(closed);
    const fd = checked('tcpConnect', io.tcpConnect(target));
    awaitEvents(fd, EPOLLOUT);
    assert.equal(io.socketError(fd), -ECONNREFUSED);
    io.close(fd);
  });

  test('shares a port only with reusePort on both sides', () => {
    const first = checked('tcpListen', io.tcpListen({ address: '127.0.0.1', port: 0, reusePort: true }));
    const { port } = io.localAddress(first);
    assert.equal(io.tcpListen({ address: '127.0.0.1', port }), -EADDRINUSE);
    const second = checked('tcpListen', io.tcpListen({ address: '127.0.0.1', port, reusePort: true }));
    for (const fd of [first, second]) io.close(fd);
  });

  test('resets instead of ending when asked to', () => {
    const [a, b] = tcpPair();
    assert.equal(io.resetOnClose(a), 0);
    io.close(a);
    awaitEvents(b, EPOLLIN);
    assert.equal(io.read(b, new Uint8Array(1), 0, 1), -104);
    io.close(b);
  });

  test('sets TCP_NODELAY by default, and keepalive when asked to', () => {
    const listener = checked('tcpListen', io.tcpListen({ address: '127.0.0.1', port: 0 }));
    const fd = checked(
      'tcpConnect',
      io.tcpConnect({ ...io.localAddress(listener), keepalive: { idleSec: 180, intervalSec: 180, probes: 9 } }),
    );
    assert.equal(io.setNoDelay(fd, false), 0);
    assert.equal(io.setKeepalive(fd, 10, 10, 3), 0);
    assert.equal(io.setUserTimeout(fd, 1000), 0);
    for (const f of [fd, listener]) io.close(f);
  });

  test('refuses what is no address or no port', () => {
    for (const address of ['', 'localhost', '127.0.0.1 ', '10.0.0.0/8', 'fe80::1%lo']) {
      assert.equal(io.tcpConnect({ address, port: 80 }), -EINVAL);
      assert.equal(io.tcpListen({ address, port: 80 }), -EINVAL);
    }
    assert.equal(io.tcpConnect({ address: '127.0.0.1', port: 65_536 }), -EINVAL);
    assert.equal(io.tcpConnect({ address: '127.0.0.1', port: -1 }), -EINVAL);
  });
});

describe('socket names', () => {
  test('of an IPv4 connection on a dual-stack listener are IPv4', () => {
    using loop = new EventLoop();
    const listener = checked('tcpListen', io.tcpListen({ address: '::', port: 0, dualStack: true }));
    const { port } = io.localAddress(listener);
    const client = checked('tcpConnect', io.tcpConnect({ address: '127.0.0.1', port }));
    let server = -1;
    loop.add(listener, EPOLLIN, { onEvents: () => (server = io.accept(listener)) });
    turnUntil(loop, () => server >= 0, 'accept');
    assert.deepEqual(io.localAddress(server), { address: '127.0.0.1', port });
    assert.deepEqual(io.peerAddress(server), io.localAddress(client));
    assert.deepEqual(io.originalDestination(server), { address: '127.0.0.1', port });
    for (const fd of [client, server, listener]) io.close(fd);
  });

  test('of an IPv6-only listener leave IPv4 clients out', () => {
    const listener = checked('tcpListen', io.tcpListen({ address: '::1', port: 0 }));
    const name = io.localAddress(listener);
    assert.equal(name.address, '::1');
    const client = checked('tcpConnect', io.tcpConnect({ address: '127.0.0.1', port: name.port }));
    awaitEvents(client, EPOLLOUT);
    assert.equal(io.socketError(client), -ECONNREFUSED);
    for (const fd of [client, listener]) io.close(fd);
  });

  test('of a peer that is not there are unspecified; of no socket, an error', () => {
    const listener = checked('tcpListen', io.tcpListen({ address: '127.0.0.1', port: 0 }));
    assert.deepEqual(io.peerAddress(listener), { address: '0.0.0.0', port: 0 });
    io.close(listener);
    assert.throws(
      () => io.localAddress(99_999),
      (error) => error instanceof NetError && error.details['errno'] === EBADF,
    );
  });
});

describe('the io layer', () => {
  test('binds UDP sockets that node:dgram can adopt', () => {
    const fd = checked('udpBind', io.udpBind({ address: '127.0.0.1', port: 0 }));
    assert.notEqual(io.localAddress(fd).port, 0);
    io.close(fd);
  });

  test('names a namespace alike for every descriptor of it', () => {
    const own = io.openNetns('/proc/self/ns/net');
    const again = openSync('/proc/thread-self/ns/net', 'r');
    assert.equal(io.netnsId(own), io.netnsId(again));
    assert.match(io.netnsId(own), /^\d+:\d+$/);
    io.close(own);
    closeSync(again);
    assert.throws(() => io.openNetns('/nowhere'), NetError);
    assert.throws(() => io.netnsId(-1), NetError);
  });

  test('raises the limit of open files', () => {
    assert.ok(io.raiseFileLimit() >= 1024);
  });

  test('trims the C heap and says whether anything was free', () => {
    const answer = io.trimHeap();
    assert.ok(answer === 0 || answer === 1);
  });

  test('takes the pages of the program out of the process, which goes on and fetches what it needs', () => {
    const residentKib = (): number => Math.round(process.memoryUsage.rss() / 1024);
    const before = residentKib();
    const dropped = io.dropProgramPages();
    assert.ok(dropped > 0, `${dropped}`);
    assert.ok(residentKib() < before, `${before} KiB before, ${residentKib()} after, ${dropped} dropped`);
    assert.ok(io.dropProgramPages() < dropped);
  });
});
