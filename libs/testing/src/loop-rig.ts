import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { EAGAIN, EPOLLIN, EventLoop, type Fd, io } from '@ambit/net';

/** Turns after the end, in which what was closed is told to its peers. */
const lastTurns = 5;

/**
 * What a test makes on an event loop, undone when it ends. The loop is turned between the turns of Node's own, so that node:net,
 * node:http and node:http2 work as peers in the same process. Owns the loop.
 */
export class LoopRig implements AsyncDisposable {
  readonly loop: EventLoop = new EventLoop();
  readonly #maxWaitMs: number;
  readonly #undo: (() => void)[] = [];

  /** `maxWaitMs`: of each turn; a millisecond leaves the machine to other threads and costs a test little. */
  constructor(maxWaitMs: number = 0) {
    this.#maxWaitMs = maxWaitMs;
  }

  defer(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** Accepts connections on a port of loopback, any free one by default, which it returns. `onAccept` owns what it is given. */
  listen(onAccept: (fd: Fd) => void, port: number = 0): number {
    const listener = io.tcpListen({ address: '127.0.0.1', port, backlog: 512, reusePort: port !== 0 });
    assert.ok(listener >= 0, `listen on ${port}: ${listener}`);
    this.loop.add(listener, EPOLLIN, {
      onEvents: () => {
        for (let fd = io.accept(listener); fd !== -EAGAIN; fd = io.accept(listener)) if (fd >= 0) onAccept(fd);
      },
    });
    this.defer(() => this.loop.close(listener));
    return io.localAddress(listener).port;
  }

  /** Turns both loops until `isDone`; fails when that takes longer than a busy machine does. */
  async until(isDone: () => boolean, what: string, timeoutMs: number = 60_000): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    while (!isDone()) {
      assert.ok(performance.now() < endMs, `not in time: ${what}`);
      this.loop.runOnce(this.#maxWaitMs);
      await nextTurn();
    }
  }

  /** The value of a promise for which both loops have to turn. */
  async result<T>(promise: Promise<T>, what: string, timeoutMs?: number): Promise<T> {
    let isDone = false;
    const settle = (): void => {
      isDone = true;
    };
    promise.then(settle, settle);
    await this.until(() => isDone, what, timeoutMs);
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const undo of this.#undo.toReversed()) undo();
    for (let left = lastTurns; left > 0; left -= 1) {
      this.loop.runOnce(0);
      await nextTurn();
    }
    this.loop[Symbol.dispose]();
  }
}
