/** Starts and stops what serves one pod: its DNS proxy here, its listeners in the data workers. */
import { io } from '@ambit/net';
import type { PodIdentity } from '../worker-protocol.ts';
import type { DataWorkers } from './data-workers.ts';
import type { DnsProxy } from './dns/dns-proxy.ts';
import type { PodHost } from './zds/pod-registry.ts';

export interface PodProxiesOptions {
  /** Undefined when only DNS is served. */
  readonly workers: DataWorkers | undefined;
  /** Opens a pod's DNS proxy; undefined when DNS is not captured. */
  readonly openDns: ((info: PodIdentity, netnsFd: number | undefined) => DnsProxy) | undefined;
}

export class PodProxies implements PodHost {
  readonly #options: PodProxiesOptions;
  readonly #dns = new Map<string, DnsProxy>();

  constructor(options: PodProxiesOptions) {
    this.#options = options;
  }

  /** The descriptor stays the caller's; it has to stay open until {@link stop}. Undefined: the own namespace. */
  async start(uid: string, info: PodIdentity, netnsFd: number | undefined): Promise<void> {
    const { workers, openDns } = this.#options;
    this.#stopDns(uid);
    if (openDns !== undefined) this.#dns.set(uid, openDns(info, netnsFd));
    try {
      await workers?.addProxy(uid, info, () => (netnsFd === undefined ? undefined : reopenNetns(netnsFd)));
    } catch (error) {
      this.#stopDns(uid);
      throw error;
    }
  }

  stop(uid: string): void {
    this.#options.workers?.removeProxy(uid);
    this.#stopDns(uid);
  }

  /** Stops answering names; connections are the workers' to end. */
  stopAllDns(): void {
    for (const uid of this.#dns.keys()) this.#stopDns(uid);
  }

  #stopDns(uid: string): void {
    const proxy = this.#dns.get(uid);
    this.#dns.delete(uid);
    // Its sockets are closed at once; only the callbacks of that are waited for.
    void proxy?.[Symbol.asyncDispose]();
  }
}

/** Another descriptor of the same namespace, so that each owner closes its own. Throws NetError. */
function reopenNetns(fd: number): number {
  return io.openNetns(`/proc/self/fd/${fd}`);
}
