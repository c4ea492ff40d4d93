import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { EAGAIN, EBADF, EINVAL, EPIPE } from './errno.ts';
import { EPOLLIN } from './epoll-events.ts';
import { io, type Fd, type ReceivedPacket } from './io.ts';
import { checked } from './net-error.ts';
import { watchFd } from './watch-fd.ts';

let dir = '';
before(() => (dir = mkdtempSync(join(tmpdir(), 'ambit-net-'))));
after(() => rmSync(dir, { recursive: true }));
let count = 0;

function pair(): [Fd, Fd] {
  const path = join(dir, `${count++}.sock`);
  const listener = checked('seqpacketListen', io.seqpacketListen(path));
  const client = checked('seqpacketConnect', io.seqpacketConnect(path));
  const server = checked('accept', io.accept(listener));
  io.close(listener);
  return [client, server];
}

function receive(fd: Fd, buffer: Uint8Array): ReceivedPacket {
  const packet = io.receivePacket(fd, buffer);
  assert.ok(typeof packet === 'object', `receivePacket: ${String(packet)}`);
  return packet;
}

describe('a packet socket', () => {
  test('keeps the borders of packets and ends with an empty one', () => {
    const [a, b] = pair();
    const buffer = Buffer.alloc(64);
    assert.equal(io.receivePacket(b, buffer), -EAGAIN);
    assert.equal(io.sendPacket(a, Buffer.from('one')), 3);
    assert.equal(io.sendPacket(a, Buffer.from('second')), 6);
    assert.deepEqual(receive(b, buffer), { length: 3, fds: [], truncated: false });
    assert.deepEqual(receive(b, buffer), { length: 6, fds: [], truncated: false });
    io.close(a);
    assert.equal(receive(b, buffer).length, 0);
    assert.equal(io.sendPacket(b, Buffer.from('x')), -EPIPE);
    io.close(b);
  });

  test('passes a descriptor that works for the receiver and is a new one', () => {
    const [a, b] = pair();
    const passed = io.eventfd();
    assert.equal(io.sendPacket(a, Buffer.from('fd'), passed), 2);
    const packet = receive(b, Buffer.alloc(8));
    assert.equal(packet.fds.length, 1);
    const [got = -1] = packet.fds;
    assert.notEqual(got, passed);
    io.eventfdSignal(passed);
    const counter = Buffer.alloc(8);
    assert.equal(io.read(got, counter, 0, 8), 8);
    assert.equal(counter.readBigUInt64LE(), 1n);
    for (const fd of [a, b, passed, got]) assert.equal(io.close(fd), 0);
  });

  test('says when a packet was longer than the buffer', () => {
    const [a, b] = pair();
    io.sendPacket(a, Buffer.alloc(100));
    assert.deepEqual(receive(b, Buffer.alloc(10)), { length: 10, fds: [], truncated: true });
    for (const fd of [a, b]) io.close(fd);
  });

  test('tells who is at the other end', () => {
    const [a, b] = pair();
    assert.deepEqual(io.peerCredentials(b), { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() });
    for (const fd of [a, b]) io.close(fd);
  });

  test('refuses a path that does not fit and a descriptor that is none', () => {
    assert.equal(io.seqpacketListen('x'.repeat(200)), -EINVAL);
    assert.equal(io.seqpacketListen(''), -EINVAL);
    const [a, b] = pair();
    assert.equal(io.sendPacket(a, Buffer.from('x'), 99_999), -EBADF);
    for (const fd of [a, b]) io.close(fd);
  });
});

describe('watching a descriptor from the main thread', () => {
  test('tells of packets until disposed, and may be disposed by its own callback', async () => {
    const [a, b] = pair();
    const buffer = Buffer.alloc(16);
    const seen: number[] = [];
    await new Promise<void>((resolve) => {
      const watch = watchFd(b, EPOLLIN, (events) => {
        seen.push(events, receive(b, buffer).length);
        if (seen.length < 4) return void io.sendPacket(a, Buffer.from('again'));
        watch[Symbol.dispose]();
        watch[Symbol.dispose]();
        resolve();
      });
      io.sendPacket(a, Buffer.from('x'));
    });
    assert.deepEqual(seen, [EPOLLIN, 1, EPOLLIN, 5]);
    for (const fd of [a, b]) io.close(fd);
  });

  test('can begin again on the same descriptor at once', async () => {
    const [a, b] = pair();
    watchFd(b, EPOLLIN, () => assert.fail('disposed'))[Symbol.dispose]();
    await new Promise<void>((resolve) => {
      const watch = watchFd(b, EPOLLIN, () => {
        watch[Symbol.dispose]();
        resolve();
      });
      io.sendPacket(a, Buffer.from('x'));
    });
    for (const fd of [a, b]) io.close(fd);
  });
});
