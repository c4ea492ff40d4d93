import type { FromWorker } from '../worker-protocol.ts';

/**
 * Questions to the control plane for resources that are not known, in on-demand mode. Equal questions share one; the
 * control thread answers each within its own time limit, found or not.
 */
export class Demands {
  readonly #post: (message: FromWorker) => void;
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(post: (message: FromWorker) => void) {
    this.#post = post;
  }

  /** `name` is `<network>/<ip>`, `namespace/hostname` or a uid. */
  ask(name: string, onAnswered: () => void): void {
    const waiting = this.#waiting.get(name);
    if (waiting !== undefined) {
      waiting.push(onAnswered);
      return;
    }
    this.#waiting.set(name, [onAnswered]);
    this.#post({ kind: 'demand', name });
  }

  /** What was found has been applied. */
  answer(name: string): void {
    const waiting = this.#waiting.get(name);
    this.#waiting.delete(name);
    for (const onAnswered of waiting ?? []) onAnswered();
  }
}
