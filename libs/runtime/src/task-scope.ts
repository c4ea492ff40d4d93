/**
 * Background work with an owner.
 *
 * Whoever starts a task owns its scope; disposing the scope aborts every task, runs the deferred clean-ups in reverse
 * order, waits for the tasks up to a deadline, and names those that did not end. Dispose never throws.
 */
import { AmbitError, toAmbitError } from './ambit-error.ts';

export interface TaskScopeOptions {
  /** Aborts the scope when it is aborted. */
  readonly signal?: AbortSignal;
  /** Told about a task that failed for another reason than the scope's end. Default: rethrown as an uncaught error. */
  readonly onError?: (name: string, error: AmbitError) => void;
  /** How long dispose waits for tasks; default 5,000 ms. */
  readonly graceMs?: number;
  /** Told the names of tasks that were still running when the grace ended. */
  readonly onLeftover?: (names: readonly string[]) => void;
}

export class TaskScope implements AsyncDisposable {
  readonly #controller = new AbortController();
  readonly #running = new Map<Promise<void>, string>();
  readonly #cleanups: (() => void | Promise<void>)[] = [];
  readonly #options: TaskScopeOptions;
  #disposed: Promise<void> | undefined;

  constructor(options: TaskScopeOptions = {}) {
    this.#options = options;
    const outer = options.signal;
    if (outer?.aborted) this.#controller.abort(outer.reason);
    else
      outer?.addEventListener('abort', () => this.#controller.abort(outer.reason), { once: true, signal: this.signal });
  }

  /** Aborted when the scope ends; pass it to everything that waits. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts a named task. Its failure is reported once; its abort by the scope's end is not a failure. */
  run(name: string, task: (signal: AbortSignal) => Promise<void>): void {
    if (this.signal.aborted) return;
    const running = task(this.signal).catch((cause: unknown) => {
      if (this.signal.aborted) return;
      const error = toAmbitError(cause);
      if (this.#options.onError) this.#options.onError(name, error);
      else
        queueMicrotask(() => {
          throw error;
        });
    });
    this.#running.set(running, name);
    void running.finally(() => this.#running.delete(running));
  }

  /** Runs `cleanup` when the scope ends, last registered first. */
  defer(cleanup: () => void | Promise<void>): void {
    this.#cleanups.push(cleanup);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#end();
    return this.#disposed;
  }

  async #end(): Promise<void> {
    this.#controller.abort(new AmbitError('SCOPE_ENDED', 'the scope that owned this work has ended'));
    for (const cleanup of this.#cleanups.reverse()) {
      try {
        await cleanup();
      } catch (cause) {
        this.#options.onError?.('cleanup', toAmbitError(cause));
      }
    }
    const graceMs = this.#options.graceMs ?? 5_000;
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([Promise.allSettled(this.#running.keys()), deadline]);
    clearTimeout(timer);
    if (this.#running.size > 0) this.#options.onLeftover?.([...this.#running.values()]);
  }
}
