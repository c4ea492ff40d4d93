/**
 * Finds the network namespace of a pod: by what the runtime told (`/cmdadd`), or by the annotation that the lab's
 * kubelet part writes. A namespace is only believed when it holds the pod's address and is not the node's own.
 */
import { AmbitError } from '@ambit/runtime';
import type { Pod } from '@ambit/kube';
import type { NamespaceShell } from '../rules/namespace-shell.ts';
import { PodNetns } from './pod-netns.ts';

/** Path of the pod's network namespace on this node. */
export const NETNS_ANNOTATION = 'ambit.dev/netns';

export class NetnsLocator {
  readonly #shell: NamespaceShell;
  readonly #ownId: string;
  /** Paths from the CNI plugin, by `namespace/name`. */
  readonly #told = new Map<string, string>();
  /** Namespaces found to hold these addresses; asking again costs a process. */
  readonly #verified = new Map<string, string>();

  constructor(shell: NamespaceShell) {
    this.#shell = shell;
    using own = PodNetns.open('/proc/self/ns/net');
    this.#ownId = own.id;
  }

  /** Remembers where the runtime put a pod, until the pod is forgotten. */
  tell(namespace: string, name: string, path: string): void {
    this.#told.set(`${namespace}/${name}`, path);
  }

  forget(pod: Pod): void {
    this.#told.delete(keyOf(pod));
    this.#verified.delete(pod.metadata.uid ?? '');
  }

  /**
   * @returns undefined when there is no such namespace; else an open handle, which is the caller's.
   * @throws AmbitError `NETNS_NOT_THE_PODS` when the path leads to somebody else's namespace.
   */
  async locate(pod: Pod): Promise<PodNetns | undefined> {
    const path = this.#told.get(keyOf(pod)) ?? pod.metadata.annotations[NETNS_ANNOTATION];
    if (path === undefined) return undefined;
    const netns = openIfPresent(path);
    if (!netns) return undefined;
    try {
      await this.#verify(pod, netns);
    } catch (cause) {
      netns[Symbol.dispose]();
      throw cause;
    }
    return netns;
  }

  async #verify(pod: Pod, netns: PodNetns): Promise<void> {
    const uid = pod.metadata.uid ?? '';
    const claim = `${netns.id} ${pod.status.podIPs.join(' ')}`;
    if (this.#verified.get(uid) === claim) return;
    if (netns.id === this.#ownId) throw notThePods(pod, 'it is the namespace of the node');
    const listing = await this.#shell.run({ kind: 'pod', id: netns.id, enterPath: netns.enterPath }, [
      'ip',
      '-o',
      'address',
      'show',
    ]);
    const held = new Set([...listing.matchAll(/\sinet6? ([0-9a-f.:]+)/g)].map((match) => match[1]));
    const missing = pod.status.podIPs.find((address) => !held.has(address));
    if (missing !== undefined) throw notThePods(pod, `it does not hold ${missing}`);
    this.#verified.set(uid, claim);
  }
}

function keyOf(pod: Pod): string {
  return `${pod.metadata.namespace}/${pod.metadata.name}`;
}

function openIfPresent(path: string): PodNetns | undefined {
  try {
    return PodNetns.open(path);
  } catch {
    return undefined;
  }
}

function notThePods(pod: Pod, reason: string): AmbitError {
  return new AmbitError(
    'NETNS_NOT_THE_PODS',
    `the network namespace given for ${keyOf(pod)} is not the pod's: ${reason}`,
    { retryable: true },
  );
}
