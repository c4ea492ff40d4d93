import type { Workload } from '@ambit/workload';
import type { PodIdentity } from '../worker-protocol.ts';
import type { ChangeWaiter } from './change-waits.ts';
import type { DataContext } from './data-context.ts';

/** Spec: contract data-plane 5.2. */
const waitMs = 5000;

/** Takes the workload of a pod; undefined when it did not come in time. */
export type OnLocalWorkload = (workload: Workload | undefined) => void;

/** Finds the workload that a pod of this node stands for; waits for the control plane to tell of it. */
export class LocalWorkloadWait implements ChangeWaiter {
  readonly #data: DataContext;
  readonly #pod: PodIdentity;
  readonly #onWorkload: OnLocalWorkload;

  constructor(data: DataContext, pod: PodIdentity, onWorkload: OnLocalWorkload) {
    this.#data = data;
    this.#pod = pod;
    this.#onWorkload = onWorkload;
  }

  start(): void {
    if (!this.retry()) this.#data.waits.add(this, waitMs);
  }

  cancel(): void {
    this.#data.waits.cancel(this);
  }

  retry(): boolean {
    const workload = localWorkload(this.#data, this.#pod);
    if (workload === undefined) return false;
    this.#onWorkload(workload);
    return true;
  }

  onExpired(): void {
    this.#onWorkload(undefined);
  }
}

/** The workload of a pod as it is known now. */
export function localWorkload(data: DataContext, pod: PodIdentity): Workload | undefined {
  return data.store.localWorkload(pod.name, pod.namespace, pod.serviceAccount);
}
