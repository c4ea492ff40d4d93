/**
 * The DNS proxies of this node's pods. One that is told to stop goes on for a while: whoever asked before the pod left the
 * mesh is answered, and so is who asks again from the same port, which connection tracking still sends here.
 */
import { type Fd, io } from '@ambit/net';
import type { Clock } from '@ambit/runtime';
import type { PodIdentity } from '../worker-protocol.ts';
import type { DnsProxy } from './dns/dns-proxy.ts';

export interface DnsProxiesOptions {
  /** Opens the listeners of a pod; `netnsFd` stays open until the proxy is disposed. Throws AmbitError `DNS_LISTEN`. */
  readonly open: (info: PodIdentity, netnsFd: Fd | undefined) => DnsProxy;
  readonly clock: Clock;
  /** Two attempts of a resolver that waits five seconds for each: 10,000. */
  readonly lingerMs: number;
}

interface Served {
  readonly info: PodIdentity;
  readonly proxy: DnsProxy;
  /** Our own descriptor of the pod's namespace, and which it is; undefined is the process's own. */
  readonly netns: { readonly fd: Fd; readonly id: string } | undefined;
  /** Set from when the pod has left. */
  end: Disposable | undefined;
}

export class DnsProxies {
  readonly #options: DnsProxiesOptions;
  readonly #served = new Map<string, Served>();

  constructor(options: DnsProxiesOptions) {
    this.#options = options;
  }

  /** A pod that comes back in time finds its proxy as it was. `netnsFd` stays the caller's. Throws AmbitError, NetError. */
  start(uid: string, info: PodIdentity, netnsFd: Fd | undefined): void {
    const known = this.#served.get(uid);
    if (known?.end !== undefined && isSame(known, info, netnsFd)) {
      known.end[Symbol.dispose]();
      known.end = undefined;
      return;
    }
    this.close(uid);
    const netns = netnsFd === undefined ? undefined : own(netnsFd);
    try {
      this.#served.set(uid, { info, netns, proxy: this.#options.open(info, netns?.fd), end: undefined });
    } catch (error) {
      if (netns !== undefined) io.close(netns.fd);
      throw error;
    }
  }

  /** The pod has left the mesh: its proxy closes after the time to linger. */
  retire(uid: string): void {
    const { clock, lingerMs } = this.#options;
    const served = this.#served.get(uid);
    if (served !== undefined) served.end ??= clock.after(lingerMs, () => this.close(uid));
  }

  close(uid: string): void {
    const served = this.#served.get(uid);
    if (served === undefined) return;
    this.#served.delete(uid);
    served.end?.[Symbol.dispose]();
    // Its sockets are closed at once; only the callbacks of that are waited for.
    void served.proxy[Symbol.asyncDispose]();
    if (served.netns !== undefined) io.close(served.netns.fd);
  }

  closeAll(): void {
    for (const uid of this.#served.keys()) this.close(uid);
  }
}

function isSame({ info, netns }: Served, other: PodIdentity, netnsFd: Fd | undefined): boolean {
  return (
    info.name === other.name &&
    info.namespace === other.namespace &&
    info.serviceAccount === other.serviceAccount &&
    netns?.id === (netnsFd === undefined ? undefined : io.netnsId(netnsFd))
  );
}

/** Another descriptor of the same namespace: the caller's closes earlier. Throws NetError. */
function own(netnsFd: Fd): { readonly fd: Fd; readonly id: string } {
  return { fd: io.openNetns(`/proc/self/fd/${netnsFd}`), id: io.netnsId(netnsFd) };
}
