import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { EPOLLHUP, EPOLLIN, EPOLLOUT } from './epoll-events.ts';
import { EventLoop, type IdleWork } from './event-loop.ts';
import { io } from './io.ts';
import { NetError } from './net-error.ts';
import { tcpPair, turnUntil } from './test-support/loopback.ts';

describe('the event loop', () => {
  test('tells a handler of bytes, and of room to write', () => {
    using loop = new EventLoop();
    const [a, b] = tcpPair();
    const seen: number[] = [];
    loop.add(b, EPOLLIN, { onEvents: (events) => seen.push(events) });
    loop.add(a, EPOLLOUT, {
      onEvents: () => {
        io.write(a, Buffer.from('x'), 0, 1);
        loop.modify(a, 0);
      },
    });
    turnUntil(loop, () => seen.length > 0, 'readable');
    assert.equal(seen[0], EPOLLIN);
    for (const fd of [a, b]) loop.remove(fd);
    for (const fd of [a, b]) io.close(fd);
  });

  test('hands a watched descriptor over, and the new handler hears of what is ready already', () => {
    using loop = new EventLoop();
    const [a, b] = tcpPair();
    const seen: string[] = [];
    loop.add(b, EPOLLOUT, { onEvents: () => seen.push('old') });
    io.write(a, Buffer.from('x'), 0, 1);
    turnUntil(loop, () => seen.length > 0, 'writable');
    loop.add(b, EPOLLIN | (1 << 31), { onEvents: () => seen.push('new') });
    turnUntil(loop, () => seen.at(-1) === 'new', 'readable');
    assert.equal(seen.filter((who) => who === 'new').length, 1);
    loop.add(b, 0, { onEvents: () => seen.push('nothing') });
    loop.runOnce(0);
    assert.equal(seen.at(-1), 'new');
    loop.close(b);
    io.close(a);
  });

  test('closes a watched descriptor, whose number may be watched again at once', () => {
    using loop = new EventLoop();
    const [a, b] = tcpPair();
    const seen: string[] = [];
    loop.add(b, EPOLLIN, { onEvents: () => seen.push('first') });
    loop.close(b);
    const unused: number[] = [];
    let reused = io.eventfd();
    for (; reused !== b; reused = io.eventfd()) unused.push(reused);
    for (const fd of unused) io.close(fd);
    loop.add(reused, EPOLLIN, { onEvents: () => seen.push('second') });
    io.eventfdSignal(reused);
    turnUntil(loop, () => seen.length > 0, 'signalled');
    assert.deepEqual(seen, ['second']);
    loop.close(reused);
    io.close(a);
  });

  test('does not spin on a descriptor that is watched for nothing, though its peer has gone', () => {
    using loop = new EventLoop();
    const [a, b] = tcpPair();
    let calls = 0;
    loop.add(b, 0, { onEvents: () => calls++ });
    // The loop's own descriptor is readable while something would end its wait.
    using outer = new EventLoop();
    let ends = 0;
    outer.add(loop.fd, EPOLLIN, { onEvents: () => ends++ });
    io.resetOnClose(a);
    io.close(a);
    outer.runOnce(0);
    loop.runOnce(0);
    assert.deepEqual([ends, calls], [0, 0]);
    loop.modify(b, EPOLLIN);
    outer.runOnce(0);
    loop.runOnce(0);
    assert.deepEqual([ends, calls], [1, 1]);
    loop.remove(b);
    io.close(b);
  });

  test('does not give a stale event to a new owner of the same descriptor number', () => {
    using loop = new EventLoop();
    const pairs = [tcpPair(), tcpPair()];
    const seen: string[] = [];
    for (const [a] of pairs) io.write(a, Buffer.from('x'), 0, 1);
    const takeOver = (own: number, other: number) => {
      seen.push('first');
      loop.remove(other);
      io.close(other);
      const unused: number[] = [];
      let reused = io.eventfd();
      for (; reused !== other; reused = io.eventfd()) unused.push(reused);
      for (const fd of unused) io.close(fd);
      loop.add(reused, EPOLLIN, { onEvents: () => seen.push('stale') });
      loop.remove(own);
    };
    const [[, one], [, two]] = pairs as [[number, number], [number, number]];
    loop.add(one, EPOLLIN, { onEvents: () => takeOver(one, two) });
    loop.add(two, EPOLLIN, { onEvents: () => takeOver(two, one) });
    loop.runOnce(100);
    assert.deepEqual(seen, ['first']);
    for (const fd of [one, two, ...pairs.map(([a]) => a)]) loop.remove(fd);
    for (const fd of [one, two, ...pairs.map(([a]) => a)]) io.close(fd);
  });

  test('fires timers by time and not the cleared ones', () => {
    using loop = new EventLoop();
    const fired: number[] = [];
    const early: number[] = [];
    const startMs = loop.nowMs;
    const set = (delayMs: number) =>
      loop.setTimer(delayMs, {
        onTimer: () => {
          fired.push(delayMs);
          if (loop.nowMs < startMs + delayMs) early.push(delayMs);
        },
      });
    for (const delayMs of [12, 4, 8, 0]) set(delayMs);
    loop.clearTimer(set(6));
    turnUntil(loop, () => fired.length === 4, 'timers');
    assert.deepEqual([fired, early], [[0, 4, 8, 12], []]);
  });

  test('goes on with other work when a timer sets itself again for now', () => {
    using loop = new EventLoop();
    let fired = 0;
    const again = { onTimer: () => void (fired++, loop.setTimer(0, again)) };
    loop.setTimer(0, again);
    loop.runOnce(0);
    assert.equal(fired, 1);
  });

  test('runs turn-end tasks once, after events and timers, and those they add', () => {
    using loop = new EventLoop();
    const order: string[] = [];
    const task = (name: string, then?: () => void) => ({
      onTurnEnd: () => {
        order.push(name);
        then?.();
      },
    });
    loop.setTimer(0, { onTimer: () => order.push('timer') });
    loop.atTurnEnd(task('a', () => loop.atTurnEnd(task('b', () => loop.atTurnEnd(task('c'))))));
    loop.runOnce(0);
    assert.deepEqual(order, ['timer', 'a', 'b']);
    loop.runOnce(1000);
    assert.deepEqual(order, ['timer', 'a', 'b', 'c']);
  });

  test('does idle work one slice a turn, in turns, and does not wait while there is more', () => {
    using loop = new EventLoop();
    const order: string[] = [];
    const work = (name: string, slices: number): IdleWork => ({ step: () => (order.push(name), --slices > 0) });
    loop.setIdleWork(work('a', 3));
    loop.setIdleWork(work('b', 1));
    for (let i = 0; i < 4; i++) {
      assert.equal(loop.msUntilDue, 0);
      loop.runOnce(1000);
    }
    assert.deepEqual(order, ['a', 'b', 'a', 'a']);
    assert.equal(loop.msUntilDue, Number.POSITIVE_INFINITY);
  });

  test('throws what a handler throws, and NetError for a bad descriptor', () => {
    using loop = new EventLoop();
    loop.atTurnEnd({
      onTurnEnd: () => {
        throw new Error('of the handler');
      },
    });
    assert.throws(() => loop.runOnce(0), /of the handler/);
    assert.throws(() => loop.add(99_999, EPOLLIN, { onEvents: () => undefined }), NetError);
    assert.throws(() => loop.modify(99_998, EPOLLIN), NetError);
  });

  test('tells hang-up when both directions ended', () => {
    using loop = new EventLoop();
    const [a, b] = tcpPair();
    let events = 0;
    loop.add(b, EPOLLIN, { onEvents: (e) => (events |= e) });
    io.shutdownWrite(b);
    io.close(a);
    turnUntil(loop, () => (events & EPOLLHUP) !== 0, 'hang-up');
    loop.remove(b);
    io.close(b);
  });
});

describe('the event loop of a worker thread', () => {
  const source = `
    import { workerData, receiveMessageOnPort } from 'node:worker_threads';
    import { EventLoop } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
    const loop = new EventLoop();
    loop.onWake(() => {
      for (let m = receiveMessageOnPort(workerData.port); m !== undefined; m = receiveMessageOnPort(workerData.port)) {
        if (m.message === 'stop') loop.stop();
        else workerData.port.postMessage(m.message * 2);
      }
    });
    workerData.port.postMessage({ wakeFd: loop.wakeFd });
    if (workerData.run) loop.run();
    loop[Symbol.dispose]();
  `;

  function start(): { worker: Worker; port: MessageChannel['port1']; wakeFd: Promise<number> } {
    const { port1, port2 } = new MessageChannel();
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
      workerData: { port: port2, run: true },
      transferList: [port2],
    });
    const wakeFd = once(port1, 'message').then(([first]) => (first as { wakeFd: number }).wakeFd);
    return { worker, port: port1, wakeFd };
  }

  test('wakes from its wait when another thread signals, takes messages, and stops when told', async () => {
    const { worker, port, wakeFd } = start();
    const fd = await wakeFd;
    for (const n of [1, 2, 3]) {
      const answer = once(port, 'message');
      port.postMessage(n);
      io.eventfdSignal(fd);
      assert.deepEqual(await answer, [n * 2]);
    }
    const exit = once(worker, 'exit');
    port.postMessage('stop');
    io.eventfdSignal(fd);
    assert.deepEqual(await exit, [0]);
    assert.equal(receiveMessageOnPort(port), undefined);
    port.close();
  });

  test('can be terminated while it waits', async () => {
    const { worker, port, wakeFd } = start();
    await wakeFd;
    assert.equal(await worker.terminate(), 1);
    port.close();
  });
});
