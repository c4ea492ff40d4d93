import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** An event loop that its test turns by hand. */
export interface TurnedLoop extends Disposable {
  /** Waits for events so long at the most. */
  runOnce(maxWaitMs: number): unknown;
}

/** Turns after the end, in which what was closed is told to its peers. */
const lastTurns = 5;

/**
 * What a test makes on an event loop, undone when it ends. The loop is turned between the turns of Node's own, so that node:net,
 * node:http and node:http2 work as peers in the same process. Owns the loop.
 */
export class LoopRig<Loop extends TurnedLoop> implements AsyncDisposable {
  readonly loop: Loop;
  readonly #maxWaitMs: number;
  readonly #undo: (() => void)[] = [];

  /** `maxWaitMs`: of each turn; a millisecond leaves the machine to other threads and costs a test little. */
  constructor(loop: Loop, maxWaitMs: number = 0) {
    this.loop = loop;
    this.#maxWaitMs = maxWaitMs;
  }

  defer(undo: () => void): void {
    this.#undo.push(undo);
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
