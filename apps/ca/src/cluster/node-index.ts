import type { PodPlace } from './pod-place.ts';

/** Which service accounts have a pod on which node. Counts pods; pure state. */
export class NodeIndex {
  /** By node, then by `namespace/service account`. */
  readonly #counts = new Map<string, Map<string, number>>();

  get nodes(): number {
    return this.#counts.size;
  }

  has(node: string, namespace: string, serviceAccount: string): boolean {
    return this.#counts.get(node)?.has(`${namespace}/${serviceAccount}`) ?? false;
  }

  /** Replaces what is known of one pod; undefined: nothing. */
  change(previous: PodPlace | undefined, next: PodPlace | undefined): void {
    if (previous === next) return;
    if (previous !== undefined) this.#add(previous, -1);
    if (next !== undefined) this.#add(next, 1);
  }

  #add({ node, namespace, serviceAccount }: PodPlace, difference: 1 | -1): void {
    if (node === '') return;
    const accounts = this.#counts.get(node) ?? new Map<string, number>();
    const account = `${namespace}/${serviceAccount}`;
    const count = (accounts.get(account) ?? 0) + difference;
    if (count > 0) accounts.set(account, count);
    else accounts.delete(account);
    if (accounts.size > 0) this.#counts.set(node, accounts);
    else this.#counts.delete(node);
  }
}
