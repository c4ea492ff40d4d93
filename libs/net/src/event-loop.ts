/**
 * The event loop of a data worker: one blocking epoll_wait, then events, timers, turn-end tasks, one slice of idle work.
 * While it runs, nothing that Node schedules runs on this thread: no promises, no Node timers, no streams.
 */
import { EPOLLIN } from './epoll-events.ts';
import { io, type Fd } from './io.ts';
import { checked } from './net-error.ts';
import { Timer, TimerHeap, type TimerHandler } from './timer-heap.ts';

/** What a descriptor calls; `events` are EPOLL bits. */
export interface IoHandler {
  onEvents(events: number): void;
}

export interface TurnEndTask {
  onTurnEnd(): void;
}

/** Work in slices of at most a millisecond; `step` says whether more is left. */
export interface IdleWork {
  step(): boolean;
}

/** A pending timer of an {@link EventLoop}. */
export type TimerId = Timer;

const addOperation = 1;
const deleteOperation = 2;
const modifyOperation = 3;
const eventsPerTurn = 256;
/** A thread inside epoll_wait cannot be terminated by Node; coming up once a second keeps `process.exit` from hanging. */
const longestBlockMs = 1000;

class Registration {
  readonly handler: IoHandler;
  /** Comes back with each event: an event of a closed and reused descriptor in the same batch is told apart by it. */
  readonly tag: number;
  events: number;

  constructor(handler: IoHandler, tag: number, events: number) {
    this.handler = handler;
    this.tag = tag;
    this.events = events;
  }
}

export class EventLoop {
  /** Monotonic time of this turn, milliseconds; read once per turn. */
  nowMs: number = performance.now();
  /** Write to it with `io.eventfdSignal` from any thread to end the wait and run the wake handlers. */
  readonly wakeFd: Fd;
  readonly #epollFd: Fd;
  readonly #ready: Int32Array = new Int32Array(eventsPerTurn * 3);
  readonly #registrations: (Registration | undefined)[] = [];
  readonly #timers: TimerHeap = new TimerHeap();
  readonly #wakeHandlers: (() => void)[] = [];
  #turnEnd: TurnEndTask[] = [];
  #turnEndNext: TurnEndTask[] = [];
  readonly #idleWork: IdleWork[] = [];
  #nextTag = 1;
  #isRunning = false;

  /** Throws NetError if the process is out of descriptors. */
  constructor() {
    this.#epollFd = checked('epollCreate', io.epollCreate());
    this.wakeFd = checked('eventfd', io.eventfd());
    this.add(this.wakeFd, EPOLLIN, { onEvents: () => this.#onWake() });
  }

  /** Readable while a descriptor has events for the next turn: for a loop that is driven by another one. */
  get fd(): Fd {
    return this.#epollFd;
  }

  /** How long a turn may be put off when no descriptor has events, milliseconds; infinite when nothing is planned. */
  get msUntilDue(): number {
    return this.#waitMs(Number.POSITIVE_INFINITY);
  }

  /**
   * Watches a descriptor, level-triggered. With an empty mask it is not watched at all (epoll would still report HUP and
   * ERR, and spin) until `modify` gives it one. Throws NetError if the kernel refuses. A descriptor that another handler
   * watches goes over to this one, which hears of everything that is ready now.
   */
  add(fd: Fd, events: number, handler: IoHandler): void {
    const watched = this.#registrations[fd]?.events ?? 0;
    const registration = new Registration(handler, this.#nextTag, 0);
    this.#nextTag = (this.#nextTag + 1) | 0;
    this.#registrations[fd] = registration;
    if (watched === 0 || events === 0) {
      registration.events = watched;
      this.#apply(fd, registration, events);
    } else {
      checked('epollControl', io.epollControl(this.#epollFd, modifyOperation, fd, events, registration.tag));
      registration.events = events;
    }
  }

  /** Changes the mask; no system call if it is the same. Throws NetError if the descriptor is not watched. */
  modify(fd: Fd, events: number): void {
    const registration = this.#registrations[fd];
    if (registration === undefined) checked('modify', -9);
    else this.#apply(fd, registration, events);
  }

  /** Stops watching; call it before the descriptor is closed. Harmless if it is not watched. */
  remove(fd: Fd): void {
    const registration = this.#registrations[fd];
    if (registration === undefined) return;
    this.#registrations[fd] = undefined;
    if (registration.events !== 0) io.epollControl(this.#epollFd, deleteOperation, fd, 0, 0);
  }

  /**
   * Stops watching and closes the descriptor, in one system call: the kernel forgets a watch with the last reference, so
   * there must be no duplicate of it. Harmless if it is not watched.
   */
  close(fd: Fd): void {
    this.#registrations[fd] = undefined;
    io.close(fd);
  }

  /** Calls the handler once, not before `delayMs` milliseconds from the start of this turn. */
  setTimer(delayMs: number, handler: TimerHandler): TimerId {
    const timer = new Timer(this.nowMs + Math.max(delayMs, 0), handler);
    this.#timers.add(timer);
    return timer;
  }

  /** Harmless for a timer that has fired. */
  clearTimer(id: TimerId): void {
    this.#timers.remove(id);
  }

  /**
   * Runs the task once when the events and timers of this turn are done, for batching. A task added by a task still runs
   * in this turn; one added by that one, in the next. The caller avoids adding a task twice.
   */
  atTurnEnd(task: TurnEndTask): void {
    this.#turnEnd.push(task);
  }

  /** Adds work to be done in slices, one slice a turn, until its `step` answers false; call again for more work later. */
  setIdleWork(work: IdleWork): void {
    if (!this.#idleWork.includes(work)) this.#idleWork.push(work);
  }

  /** Called on this thread each time another one signalled `wakeFd`; several signals may become one call. */
  onWake(handler: () => void): void {
    this.#wakeHandlers.push(handler);
  }

  /** Runs until `stop`. An exception of a handler ends the loop and is thrown from here. */
  run(): void {
    this.#isRunning = true;
    while (this.#isRunning) this.#turn(longestBlockMs);
  }

  /** Ends `run` after this turn; on the loop's own thread (other threads signal `wakeFd`). */
  stop(): void {
    this.#isRunning = false;
  }

  /** One turn that waits at most `timeoutMs` for an event. */
  runOnce(timeoutMs: number): void {
    this.#turn(timeoutMs);
  }

  /** Closes the loop's own descriptors; watched ones stay open. */
  [Symbol.dispose](): void {
    this.#isRunning = false;
    io.close(this.wakeFd);
    io.close(this.#epollFd);
    this.#registrations.length = 0;
  }

  #turn(longestMs: number): void {
    const count = io.epollWait(this.#epollFd, this.#ready, this.#waitMs(longestMs));
    this.nowMs = performance.now();
    checked('epollWait', count);
    this.#dispatch(count);
    this.#fireTimers();
    this.#endTurn();
    this.#endTurn();
    this.#stepIdleWork();
  }

  #waitMs(longestMs: number): number {
    if (this.#turnEnd.length > 0 || this.#idleWork.length > 0) return 0;
    const next = this.#timers.peek();
    if (next === undefined) return longestMs;
    const waitMs = Math.ceil(next.dueMs - performance.now());
    return waitMs <= 0 ? 0 : Math.min(waitMs, longestMs);
  }

  #dispatch(count: number): void {
    const ready = this.#ready;
    for (let i = 0, at = 0; i < count; i++, at += 3) {
      const registration = this.#registrations[ready[at] ?? -1];
      if (registration !== undefined && registration.tag === ready[at + 1])
        registration.handler.onEvents(ready[at + 2] ?? 0);
    }
  }

  /** At most as many as were pending, so that a timer which sets itself again for now does not hold the turn. */
  #fireTimers(): void {
    for (let left = this.#timers.size; left > 0; left--) {
      const timer = this.#timers.peek();
      if (timer === undefined || timer.dueMs > this.nowMs) return;
      this.#timers.remove(timer);
      timer.handler.onTimer();
    }
  }

  #endTurn(): void {
    const tasks = this.#turnEnd;
    if (tasks.length === 0) return;
    this.#turnEnd = this.#turnEndNext;
    for (let i = 0; i < tasks.length; i++) tasks[i]?.onTurnEnd();
    tasks.length = 0;
    this.#turnEndNext = tasks;
  }

  #stepIdleWork(): void {
    const work = this.#idleWork.shift();
    if (work?.step() === true) this.#idleWork.push(work);
  }

  #onWake(): void {
    io.eventfdClear(this.wakeFd);
    for (const handler of this.#wakeHandlers) handler();
  }

  #apply(fd: Fd, registration: Registration, events: number): void {
    const before = registration.events;
    if (events === before) return;
    const operation = events === 0 ? deleteOperation : before === 0 ? addOperation : modifyOperation;
    checked('epollControl', io.epollControl(this.#epollFd, operation, fd, events, registration.tag));
    registration.events = events;
  }
}
