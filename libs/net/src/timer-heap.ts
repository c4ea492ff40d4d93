/** What a timer calls. */
export interface TimerHandler {
  onTimer(): void;
}

/** A pending timer; opaque to callers. */
export class Timer {
  readonly dueMs: number;
  readonly handler: TimerHandler;
  /** Place in the heap; -1 when it is not pending. */
  index: number;

  constructor(dueMs: number, handler: TimerHandler) {
    this.dueMs = dueMs;
    this.handler = handler;
    this.index = -1;
  }
}

/** Pending timers, earliest first: a binary heap that can remove any entry. Equal times fire in no certain order. */
export class TimerHeap {
  readonly #heap: Timer[] = [];

  get size(): number {
    return this.#heap.length;
  }

  peek(): Timer | undefined {
    return this.#heap[0];
  }

  add(timer: Timer): void {
    this.#heap.push(timer);
    this.#up(timer, this.#heap.length - 1);
  }

  /** No effect on a timer that has fired or was removed. */
  remove(timer: Timer): void {
    const index = timer.index;
    if (index < 0 || this.#heap[index] !== timer) return;
    timer.index = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === timer) return;
    const parent = this.#heap[(index - 1) >> 1];
    if (index > 0 && parent !== undefined && last.dueMs < parent.dueMs) this.#up(last, index);
    else this.#down(last, index);
  }

  #up(timer: Timer, from: number): void {
    let index = from;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || parent.dueMs <= timer.dueMs) break;
      this.#place(parent, index);
      index = above;
    }
    this.#place(timer, index);
  }

  #down(timer: Timer, from: number): void {
    let index = from;
    for (;;) {
      let below = index * 2 + 1;
      let child = this.#heap[below];
      const right = this.#heap[below + 1];
      if (child !== undefined && right !== undefined && right.dueMs < child.dueMs) {
        child = right;
        below++;
      }
      if (child === undefined || child.dueMs >= timer.dueMs) break;
      this.#place(child, index);
      index = below;
    }
    this.#place(timer, index);
  }

  #place(timer: Timer, index: number): void {
    this.#heap[index] = timer;
    timer.index = index;
  }
}
