/**
 * The pods this proxy serves, as the node agent tells them.
 *
 * One connection to the agent is one `Session`: adds and keeps, the snapshot mark, then adds and deletes. Pods live on
 * when a session ends; the next session's snapshot says which of them remain.
 * Istio: inpod state manager (add / keep / delete / snapshot, pending set retried every 5 s).
 */
import type { Clock } from '@ambit/runtime';
import { toAmbitError } from '@ambit/runtime';
import type { PodInfo } from './zds-message.ts';

/** A network namespace: a descriptor owned by whoever holds the record, and its identity as `device:inode`. */
export interface Netns {
  readonly fd: number;
  readonly id: string;
  close(): void;
}

/** Opens and closes the listeners of a pod. */
export interface PodHost {
  /** Resolves when all listeners are open. The descriptor stays valid until `stop` has been called. */
  start(uid: string, info: PodInfo, netnsFd: number): Promise<void>;
  /** Ends the pod's proxy at once. */
  stop(uid: string): void;
}

export type PodState = 'up' | 'pending';

interface Pod {
  readonly uid: string;
  readonly info: PodInfo;
  readonly netns: Netns;
  state: PodState;
}

export interface PodRegistryEvents {
  /** Counts changed: `workload_manager_active_proxy_count` and `workload_manager_pending_proxy_count`. */
  onCounts(active: number, pending: number): void;
  onStarted(uid: string, info: PodInfo): void;
  onStopped(uid: string): void;
  onStartFailed(uid: string, info: PodInfo, error: string): void;
}

const RETRY_MS = 5_000;

export class PodRegistry {
  readonly #host: PodHost;
  readonly #events: PodRegistryEvents;
  readonly #clock: Clock;
  readonly #pods = new Map<string, Pod>();
  #retry: Disposable | undefined;

  constructor(host: PodHost, events: PodRegistryEvents, clock: Clock) {
    this.#host = host;
    this.#events = events;
    this.#clock = clock;
  }

  session(): PodSession {
    return new PodSession(this);
  }

  /** Pods by uid with state and info, for the admin dump. */
  list(): readonly { readonly uid: string; readonly info: PodInfo; readonly state: PodState }[] {
    return [...this.#pods.values()].map(({ uid, info, state }) => ({ uid, info, state }));
  }

  get pendingCount(): number {
    let count = 0;
    for (const pod of this.#pods.values()) if (pod.state === 'pending') count += 1;
    return count;
  }

  /** Takes ownership of `netns`. Returns the error text for the ack, empty on success. */
  async add(uid: string, info: PodInfo, netns: Netns): Promise<string> {
    const known = this.#pods.get(uid);
    if (known?.netns.id === netns.id && known.state === 'up') {
      netns.close();
      return '';
    }
    if (known) this.#drop(known);
    const pod: Pod = { uid, info, netns, state: 'pending' };
    this.#pods.set(uid, pod);
    return await this.#start(pod);
  }

  /** Stops a pod's proxy; an unknown uid is no error. */
  remove(uid: string): void {
    const pod = this.#pods.get(uid);
    if (pod) this.#drop(pod);
    this.#count();
  }

  retainOnly(uids: ReadonlySet<string>): void {
    for (const pod of this.#pods.values()) if (!uids.has(pod.uid)) this.#drop(pod);
    this.#count();
  }

  stopAll(): void {
    this.#retry?.[Symbol.dispose]();
    for (const pod of this.#pods.values()) this.#drop(pod);
  }

  async #start(pod: Pod): Promise<string> {
    let failure = '';
    try {
      await this.#host.start(pod.uid, pod.info, pod.netns.fd);
      if (this.#pods.get(pod.uid) !== pod) return 'the pod was removed while it was being started';
      pod.state = 'up';
      this.#events.onStarted(pod.uid, pod.info);
    } catch (cause) {
      failure = `failure to start proxy: ${toAmbitError(cause).message}`;
      this.#events.onStartFailed(pod.uid, pod.info, failure);
      this.#retry ??= this.#clock.after(RETRY_MS, () => void this.#retryPending());
    }
    this.#count();
    return failure;
  }

  async #retryPending(): Promise<void> {
    this.#retry = undefined;
    for (const pod of this.#pods.values()) {
      if (pod.state === 'pending' && this.#pods.get(pod.uid) === pod) await this.#start(pod);
    }
  }

  #drop(pod: Pod): void {
    this.#pods.delete(pod.uid);
    this.#host.stop(pod.uid);
    pod.netns.close();
    if (pod.state === 'up') this.#events.onStopped(pod.uid);
  }

  #count(): void {
    const pending = this.pendingCount;
    this.#events.onCounts(this.#pods.size - pending, pending);
  }
}

/** What is legal and known within one connection to the agent. */
export class PodSession {
  readonly #registry: PodRegistry;
  readonly #named = new Set<string>();
  #hasSnapshot = false;

  constructor(registry: PodRegistry) {
    this.#registry = registry;
  }

  get hasSnapshot(): boolean {
    return this.#hasSnapshot;
  }

  async add(uid: string, info: PodInfo, netns: Netns): Promise<string> {
    if (!this.#hasSnapshot) this.#named.add(uid);
    return await this.#registry.add(uid, info, netns);
  }

  /** False when a keep is out of place: after the snapshot everything is an add or a delete. */
  keep(uid: string): boolean {
    if (this.#hasSnapshot) return false;
    this.#named.add(uid);
    return true;
  }

  /** Before the snapshot a delete only takes the pod out of what the snapshot will retain. */
  del(uid: string): void {
    if (this.#hasSnapshot) this.#registry.remove(uid);
    else this.#named.delete(uid);
  }

  /** Ends the snapshot: pods it did not name are stopped. False when it was ended before. */
  snapshotSent(): boolean {
    if (this.#hasSnapshot) return false;
    this.#hasSnapshot = true;
    this.#registry.retainOnly(this.#named);
    return true;
  }
}
