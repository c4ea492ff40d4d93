/** Starts and stops what serves one pod: its DNS proxy here, its listeners in the data workers. */
import { io } from '@ambit/net';
import type { PodIdentity } from '../worker-protocol.ts';
import type { DataWorkers } from './data-workers.ts';
import type { DnsProxies } from './dns-proxies.ts';
import type { PodHost } from './zds/pod-registry.ts';

export interface PodProxiesOptions {
  /** Undefined when only DNS is served. */
  readonly workers: DataWorkers | undefined;
  /** Undefined when DNS is not captured. */
  readonly dns: DnsProxies | undefined;
}

export class PodProxies implements PodHost {
  readonly #options: PodProxiesOptions;

  constructor(options: PodProxiesOptions) {
    this.#options = options;
  }

  /** The descriptor stays the caller's; it has to stay open until {@link stop}. Undefined: the own namespace. */
  async start(uid: string, info: PodIdentity, netnsFd: number | undefined): Promise<void> {
    const { workers, dns } = this.#options;
    dns?.start(uid, info, netnsFd);
    try {
      await workers?.addProxy(uid, info, () => (netnsFd === undefined ? undefined : reopenNetns(netnsFd)));
    } catch (error) {
      dns?.close(uid);
      throw error;
    }
  }

  stop(uid: string): void {
    this.#options.workers?.removeProxy(uid);
    this.#options.dns?.retire(uid);
  }

  /** Stops answering names; connections are the workers' to end. */
  stopAllDns(): void {
    this.#options.dns?.closeAll();
  }
}

/** Another descriptor of the same namespace, so that each owner closes its own. Throws NetError. */
function reopenNetns(fd: number): number {
  return io.openNetns(`/proc/self/fd/${fd}`);
}
