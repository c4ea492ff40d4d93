import { EPOLLIN } from './epoll-events.ts';
import { EventLoop, type TimerId, type TurnEndTask } from './event-loop.ts';
import type { TimerHandler } from './timer-heap.ts';
import { watchFd } from './watch-fd.ts';

/** `setTimeout` takes no more. */
const longestTimeoutMs = 2 ** 31 - 1;

/**
 * An event loop on a thread that Node's own loop runs, such as the main one: a turn never blocks, and comes when Node has
 * events, timers or tasks for it. What runs on it may be used from promises and Node's callbacks; what follows from that is
 * done in a turn soon after. Keeps the process alive until it is disposed. `run` is not for it.
 */
export class NodeEventLoop extends EventLoop {
  readonly #watch: Disposable;
  #immediate: NodeJS.Immediate | undefined;
  #timeout: NodeJS.Timeout | undefined;
  #timeoutAtMs: number = Number.POSITIVE_INFINITY;
  #isInTurn = false;
  #isClosed = false;

  /** Throws NetError if the process is out of descriptors. */
  constructor() {
    super();
    this.#watch = watchFd(this.fd, EPOLLIN, () => this.#turn());
  }

  override setTimer(delayMs: number, handler: TimerHandler): TimerId {
    if (!this.#isInTurn) this.nowMs = performance.now();
    const timer = super.setTimer(delayMs, handler);
    if (!this.#isInTurn) this.#arm();
    return timer;
  }

  override atTurnEnd(task: TurnEndTask): void {
    super.atTurnEnd(task);
    if (!this.#isInTurn) this.#turnSoon();
  }

  override [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch[Symbol.dispose]();
    clearImmediate(this.#immediate);
    clearTimeout(this.#timeout);
    super[Symbol.dispose]();
  }

  #turn(): void {
    if (this.#isClosed || this.#isInTurn) return;
    this.#isInTurn = true;
    try {
      this.runOnce(0);
    } finally {
      this.#isInTurn = false;
    }
    this.#arm();
  }

  #turnSoon(): void {
    if (this.#immediate !== undefined || this.#isClosed) return;
    this.nowMs = performance.now();
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      this.#turn();
    });
  }

  /** A timeout of Node for the next timer; one that is too early does no harm. */
  #arm(): void {
    if (this.#isClosed) return;
    const waitMs = this.msUntilDue;
    if (waitMs === 0) return this.#turnSoon();
    const dueMs = performance.now() + waitMs;
    if (dueMs >= this.#timeoutAtMs) return;
    clearTimeout(this.#timeout);
    this.#timeoutAtMs = dueMs;
    this.#timeout = setTimeout(
      () => {
        this.#timeoutAtMs = Number.POSITIVE_INFINITY;
        this.#turn();
      },
      Math.min(waitMs, longestTimeoutMs),
    );
  }
}
