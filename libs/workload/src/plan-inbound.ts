/**
 * The inbound decision for a CONNECT request: is this pod the right one, and which port of it is
 * meant. Pure. Spec: contract data-plane 1.6 steps 3, 5 and 6.
 */
import type { Authority } from './authority.ts';
import { servicesOf } from './inbound-service.ts';
import type { TargetAddress } from './plan-outbound.ts';
import { isIpv6 } from './ip-words.ts';
import type { Service, Workload } from './workload.ts';
import { type WorkloadView, findAddress, findHostname } from './workload-view.ts';

export interface InboundInput {
  readonly view: WorkloadView;
  readonly network: string;
  /** The workload that owns the listener. */
  readonly local: Workload;
  /** The local address of the accepted socket. */
  readonly localAddress: string;
  readonly authority: Authority;
  /** Ports of the mesh itself. */
  readonly illegalPorts: ReadonlySet<number>;
}

/** Where to connect to, or the status to answer with and the text to log. */
export type InboundPlan =
  | {
      readonly kind: 'upstream';
      readonly target: TargetAddress;
      /** The address to put into the header of an application tunnel. */
      readonly tunnel: { readonly protocol: 'none' | 'proxy'; readonly target: TargetAddress } | undefined;
      /** Services the connection may have been meant for. */
      readonly services: readonly Service[];
    }
  | InboundRejection;

export interface InboundRejection {
  readonly kind: 'rejected';
  readonly status: 400 | 503;
  readonly reason: string;
}

/** Validation and resolution in the order of the contract. */
export function planInbound(input: InboundInput): InboundPlan {
  return validateInbound(input) ?? resolveInbound(input);
}

/** Step 5: may this authority come to this pod? Undefined when it may. */
export function validateInbound(input: InboundInput): InboundRejection | undefined {
  const { authority, local, localAddress } = input;
  if (authority.kind === 'hostname') return undefined;
  if (authority.address === localAddress) return undefined;
  if (local.applicationTunnel !== undefined) return undefined;
  if (isOurWaypointTraffic(input, authority.address)) return undefined;
  return refuse(400, `ip mismatch: ${localAddress} != ${authority.address}`);
}

/** The address belongs to something whose waypoint is this pod. */
function isOurWaypointTraffic(input: InboundInput, address: string): boolean {
  const { view, network, local, localAddress } = input;
  const meant = findAddress(view, network, address);
  if (meant === undefined) return false;
  const reference = meant.kind === 'service' ? meant.service.waypoint : meant.workload.waypoint;
  if (reference === undefined) return false;
  const { destination } = reference;
  const waypoint =
    destination.kind === 'address'
      ? findAddress(view, destination.network, destination.address)
      : findHostname(view, destination.namespace, destination.hostname);
  if (waypoint === undefined) return false;
  if (waypoint.kind === 'workload') return waypoint.workload.addresses.includes(localAddress);
  return view.endpointPorts(waypoint.service, local.uid) !== undefined;
}

/** Step 6: the port of the application. The address is always the local one. */
export function resolveInbound(input: InboundInput): InboundPlan {
  const { authority, local, localAddress, illegalPorts } = input;
  const wanted = authority.kind === 'address' ? byAddress(input, authority) : byHostname(input, authority);
  if (wanted.kind === 'rejected') return wanted;
  // Before the application tunnel replaces the port: its own port may be one of ours.
  if (illegalPorts.has(wanted.port)) {
    return refuse(503, 'attempted recursive call to ourselves');
  }
  const { services } = wanted;
  const tunnel = local.applicationTunnel;
  if (tunnel === undefined) {
    const target = { address: localAddress, port: wanted.port };
    return { kind: 'upstream', target, tunnel: undefined, services };
  }
  const meant = tunnelTarget(input, services);
  if (meant.kind === 'rejected') return meant;
  return {
    kind: 'upstream',
    target: { address: localAddress, port: tunnel.port ?? wanted.port },
    tunnel: { protocol: tunnel.protocol, target: meant },
    services,
  };
}

type Wanted =
  | { readonly kind: 'port'; readonly port: number; readonly services: readonly Service[] }
  | InboundRejection;

function byAddress({ view, local }: InboundInput, { port }: TargetAddress): Wanted {
  return { kind: 'port', port, services: servicesOf(view, local) };
}

function byHostname(
  { view, local }: InboundInput,
  { hostname, port }: { readonly hostname: string; readonly port: number },
): Wanted {
  const service = view.bestServiceByHost(hostname, local.namespace);
  if (service === undefined) {
    return refuse(503, `no service or workload for hostname: ${hostname}`);
  }
  const own = view.endpointPorts(service, local.uid)?.get(port);
  const target = own ?? service.ports.get(port) ?? 0;
  if (own === undefined && target === 0) {
    return refuse(503, `requested service ${hostname}:${port} found, but cannot resolve port`);
  }
  return { kind: 'port', port: target, services: [service] };
}

function tunnelTarget(
  { authority, network }: InboundInput,
  services: readonly Service[],
): ({ readonly kind: 'target' } & TargetAddress) | InboundRejection {
  if (authority.kind === 'address') {
    return { kind: 'target', address: authority.address, port: authority.port };
  }
  let best: string | undefined;
  let bestRank = -1;
  for (const vip of services[0]?.vips ?? []) {
    // Own network first, IPv4 first: a PROXY header cannot carry a host name.
    const rank = vip.network !== network ? 0 : isIpv6(vip.address) ? 1 : 2;
    if (rank <= bestRank) continue;
    best = vip.address;
    bestRank = rank;
  }
  if (best === undefined) {
    const reason = `requested service ${authority.hostname} found, but has no IP addresses`;
    return refuse(503, reason);
  }
  return { kind: 'target', address: best, port: authority.port };
}

function refuse(status: 400 | 503, reason: string): InboundRejection {
  return { kind: 'rejected', status, reason };
}
