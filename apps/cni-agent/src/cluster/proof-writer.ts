/**
 * Writes the proofs of pods to the API server: a few a second at most, the newest state of each pod, tried again until it
 * is there or the pod is gone. Nothing here holds up the proofs themselves.
 */
import { Backoff, toAmbitError, type Clock } from '@ambit/runtime';
import { apiKinds, KubeError, type KubeClient, type Pod } from '@ambit/kube';
import type { Verdict } from '../proof/judge-proof.ts';
import { CONDITION_MANAGER, conditionPatch, EVENT_KIND, eventOf } from './pod-condition.ts';

export interface ProofWriterOptions {
  readonly client: Pick<KubeClient, 'apply' | 'create'>;
  readonly node: string;
  readonly clock: Clock;
  readonly writesPerSecond: number;
  readonly onError: (pod: Pod, error: Error) => void;
}

/** The pod is gone, or replaced by another one of its name: a uid that is not the object's is a conflict, or invalid. */
export function isOfAnotherPod(cause: unknown): boolean {
  return cause instanceof KubeError && ['NOT_FOUND', 'CONFLICT', 'INVALID'].includes(cause.code);
}

interface Entry {
  readonly pod: Pod;
  readonly verdict: Verdict | undefined;
  readonly sinceWallMs: number;
}

export class ProofWriter implements Disposable {
  readonly #options: ProofWriterOptions;
  /** By pod uid, oldest first. */
  readonly #queue = new Map<string, Entry>();
  /** What was written last; an event is made when it changes. */
  readonly #written = new Map<string, Verdict['kind']>();
  readonly #backoff = new Backoff({ initialMs: 500, maxMs: 30_000 });
  #timer: Disposable | undefined;
  #isWriting = false;
  #isDisposed = false;

  constructor(options: ProofWriterOptions) {
    this.#options = options;
  }

  /** Without a verdict the condition is taken away. */
  put(pod: Pod, verdict: Verdict | undefined, sinceWallMs: number): void {
    const uid = pod.metadata.uid ?? '';
    this.#queue.delete(uid);
    this.#queue.set(uid, { pod, verdict, sinceWallMs });
    this.#later(0);
  }

  /** What waits to be written of other pods than these is not written. */
  drop(keeps: (podUid: string) => boolean): void {
    for (const uid of this.#queue.keys()) if (!keeps(uid)) this.#queue.delete(uid);
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#timer?.[Symbol.dispose]();
  }

  #later(delayMs: number): void {
    if (this.#isDisposed || this.#isWriting || this.#timer) return;
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#timer = undefined;
      void this.#next();
    });
  }

  async #next(): Promise<void> {
    const [first] = this.#queue;
    if (!first) return;
    const [uid, entry] = first;
    this.#queue.delete(uid);
    this.#isWriting = true;
    let pauseMs = 1_000 / this.#options.writesPerSecond;
    try {
      await this.#write(uid, entry);
      this.#backoff.reset();
    } catch (cause) {
      if (!isOfAnotherPod(cause)) {
        this.#options.onError(entry.pod, toAmbitError(cause));
        if (!this.#queue.has(uid)) this.#queue.set(uid, entry);
        pauseMs = this.#backoff.nextMs();
      }
    }
    this.#isWriting = false;
    this.#later(pauseMs);
  }

  async #write(uid: string, { pod, verdict, sinceWallMs }: Entry): Promise<void> {
    const { client, node, clock } = this.#options;
    const { namespace, name } = pod.metadata;
    const before = this.#written.get(uid);
    const patch = conditionPatch(pod, verdict, sinceWallMs, clock.wallTimeMs());
    await client.apply({ kind: apiKinds.Pod, namespace, name }, patch, {
      fieldManager: CONDITION_MANAGER,
      force: true,
      subresource: 'status',
    });
    if (verdict === undefined) {
      this.#written.delete(uid);
      return;
    }
    this.#written.set(uid, verdict.kind);
    // That a pod is in order is no event, unless it was not.
    if (verdict.kind === before || (before === undefined && verdict.kind === 'enforced')) return;
    await client.create(EVENT_KIND, eventOf(pod, verdict, node, clock.wallTimeMs()));
  }
}
