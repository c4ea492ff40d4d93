/** The DNS proxy of one pod: listeners in its namespace, answers from the mesh's services, the rest upstream. */
import { type Fd, io } from '@ambit/net';
import { AmbitError } from '@ambit/runtime';
import { resolveName, type Workload, type WorkloadView } from '@ambit/workload';
import type { AddressFamily, NameAnswer } from './dns/dns-answer.ts';
import { DnsForwarder } from './dns/dns-forwarder.ts';
import { type DnsListener, DnsProxy } from './dns/dns-proxy.ts';
import { type DnsObserver, DnsResponder } from './dns/dns-responder.ts';

export interface PodDnsSettings {
  readonly port: number;
  readonly mark: number | undefined;
  readonly reusePort: boolean;
  readonly isIpv6Enabled: boolean;
  readonly clusterDomain: string;
  readonly preferredNamespace: string | undefined;
  /** Upstream servers. */
  readonly servers: readonly string[];
}

export interface PodDnsOptions {
  readonly settings: PodDnsSettings;
  /** Stays open until the proxy is disposed; undefined is the process's own namespace. */
  readonly netnsFd: Fd | undefined;
  readonly view: WorkloadView;
  /** The pod's workload, as far as it is known now. */
  readonly client: () => Workload | undefined;
  readonly observer: DnsObserver;
  readonly onError: (error: Error) => void;
}

/** Opens the listeners and serves. Throws AmbitError `DNS_LISTEN`; nothing stays open then. */
export function openPodDns(options: PodDnsOptions): DnsProxy {
  const { settings, netnsFd, observer, onError } = options;
  const forwarder = new DnsForwarder({ netnsFd, mark: settings.mark, servers: settings.servers });
  const responder = new DnsResponder({
    resolve: (name, family) => answer(options, name, family),
    ask: (query, transport, { signal }) => forwarder.ask(query, transport, { signal }),
    observer,
    random: Math.random,
    nowMs: () => performance.now(),
  });
  return new DnsProxy({ listeners: openListeners(settings, netnsFd), responder, onError });
}

function answer({ settings, view, client }: PodDnsOptions, name: string, family: AddressFamily): NameAnswer {
  const workload = client();
  if (workload === undefined) return { kind: 'unknown-client' };
  const found = resolveName({
    view,
    client: workload,
    name,
    type: family === 4 ? 'A' : 'AAAA',
    clusterDomain: settings.clusterDomain,
    isIpv6Enabled: settings.isIpv6Enabled,
    preferredNamespace: settings.preferredNamespace,
    random: Math.random,
  });
  if (found.kind === 'forward') return { kind: 'forward' };
  if (found.addresses.length === 0) return { kind: 'empty' };
  const { addresses, cname } = found;
  return cname === undefined ? { kind: 'addresses', addresses } : { kind: 'addresses', addresses, alias: cname };
}

function openListeners(settings: PodDnsSettings, netnsFd: Fd | undefined): readonly DnsListener[] {
  const listeners = [openListener(settings, netnsFd, '127.0.0.1', 4)];
  if (!settings.isIpv6Enabled) return listeners;
  try {
    return [...listeners, openListener(settings, netnsFd, '::1', 6)];
  } catch {
    // A pod without IPv6 on its loopback cannot be asked there.
    return listeners;
  }
}

function openListener(settings: PodDnsSettings, netnsFd: Fd | undefined, address: string, family: 4 | 6): DnsListener {
  const { port, mark, reusePort } = settings;
  const place = {
    address,
    port,
    reusePort,
    ...(netnsFd === undefined ? {} : { netnsFd }),
    ...(mark === undefined ? {} : { mark }),
  };
  const udpFd = io.udpBind(place);
  if (udpFd < 0) throw listenError(address, port, 'udp', udpFd);
  const tcpFd = io.tcpListen(place);
  if (tcpFd < 0) {
    io.close(udpFd);
    throw listenError(address, port, 'tcp', tcpFd);
  }
  return { udpFd, tcpFd, family };
}

function listenError(address: string, port: number, protocol: string, result: number): AmbitError {
  return new AmbitError('DNS_LISTEN', `cannot listen on ${address}:${port}/${protocol} in the pod (errno ${-result})`, {
    retryable: true,
  });
}
