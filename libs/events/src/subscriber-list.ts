import { checkPattern, matchesSubject } from './subject-pattern.ts';

type OnMessage = (subject: string, bytes: Uint8Array) => void;

/** Subscriptions of one process: patterns with their receivers. */
export class SubscriberList {
  readonly #subscribers = new Map<symbol, { readonly pattern: string; readonly onMessage: OnMessage }>();

  /** Patterns in use, each once. */
  patterns(): ReadonlySet<string> {
    return new Set([...this.#subscribers.values()].map(({ pattern }) => pattern));
  }

  /** Throws EventError `BAD_PATTERN`. */
  add(pattern: string, onMessage: OnMessage): Disposable {
    checkPattern(pattern);
    const key = Symbol(pattern);
    this.#subscribers.set(key, { pattern, onMessage });
    return { [Symbol.dispose]: () => void this.#subscribers.delete(key) };
  }

  deliver(subject: string, bytes: Uint8Array): void {
    for (const { pattern, onMessage } of this.#subscribers.values()) {
      if (matchesSubject(pattern, subject)) onMessage(subject, bytes);
    }
  }
}
