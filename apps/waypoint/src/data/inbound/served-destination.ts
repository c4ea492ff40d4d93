/** What a CONNECT request of a waypoint's client is for. Pure; whatever is not served here is refused. */
import { type GatewayAddress, parseAuthority, serviceKey, type Workload, type WorkloadView } from '@ambit/workload';

import type { ConfigSnapshot } from '../../config/config-snapshot.ts';
import type { CompiledPort } from '../../config/destination.ts';
import type { ServedTarget } from '../../request/downstream-facts.ts';

export interface ServedQuery {
  readonly view: WorkloadView;
  readonly config: ConfigSnapshot;
  readonly network: string;
  /** The proxy's own workload. */
  readonly self: Workload | undefined;
}

export type ServedDestination =
  | {
      readonly kind: 'served';
      readonly target: ServedTarget;
      /** Of the service; undefined for a workload. */
      readonly port: CompiledPort | undefined;
      /** Where the client was going: canonical text. */
      readonly address: string;
    }
  | {
      readonly kind: 'refused';
      readonly status: 400 | 404;
      readonly reason: 'bad-authority' | 'not-served' | 'unknown-port';
    };

/** Spec: contract data-plane 1.11: a service by its address or host name, else a workload by its address. */
export function findServed(query: ServedQuery, authority: string): ServedDestination {
  const asked = parseAuthority(authority);
  if (asked === undefined) return { kind: 'refused', status: 400, reason: 'bad-authority' };
  const { view, config, network } = query;
  if (asked.kind === 'hostname') {
    for (const service of view.servicesByHost(asked.hostname)) {
      if (!isServed(config, service.namespace, service.hostname)) continue;
      const vip = service.vips.find((one) => one.network === network) ?? service.vips[0];
      return ofService(config, service.namespace, service.hostname, asked.port, vip?.address ?? '0.0.0.0');
    }
    return notServed;
  }
  const service = view.bestServiceByVip(network, asked.address);
  if (service !== undefined) {
    return isServed(config, service.namespace, service.hostname)
      ? ofService(config, service.namespace, service.hostname, asked.port, asked.address)
      : notServed;
  }
  const workload = view.workloadByAddress(network, asked.address);
  if (workload?.waypoint === undefined || !isSelf(query, workload.waypoint)) return notServed;
  const target = { kind: 'workload', workload, address: asked.address, port: asked.port } as const;
  return { kind: 'served', target, port: undefined, address: asked.address };
}

const notServed: ServedDestination = { kind: 'refused', status: 404, reason: 'not-served' };

function isServed(config: ConfigSnapshot, namespace: string, hostname: string): boolean {
  return config.destinations.get(serviceKey(namespace, hostname))?.destination.isServed === true;
}

function ofService(
  config: ConfigSnapshot,
  namespace: string,
  hostname: string,
  portNumber: number,
  address: string,
): ServedDestination {
  const key = serviceKey(namespace, hostname);
  const port = config.destinations.get(key)?.destination.ports.get(portNumber);
  if (port === undefined) return { kind: 'refused', status: 404, reason: 'unknown-port' };
  return { kind: 'served', target: { kind: 'service', key, namespace, hostname, port: portNumber }, port, address };
}

/** Does that address lead to this proxy? */
function isSelf({ view, self }: ServedQuery, { destination }: GatewayAddress): boolean {
  if (self === undefined) return false;
  if (destination.kind === 'hostname') {
    return self.services.has(serviceKey(destination.namespace, destination.hostname));
  }
  if (destination.network === self.network && self.addresses.includes(destination.address)) return true;
  const service = view.bestServiceByVip(destination.network, destination.address);
  return service !== undefined && self.services.has(serviceKey(service.namespace, service.hostname));
}
