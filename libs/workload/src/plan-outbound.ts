/**
 * The outbound decision: where a captured connection goes and as what. Pure: it reads a view of the
 * mesh and draws random numbers, and says what is to be done. Spec: contract data-plane 5.4.
 */
import { type Upstream, resolveUpstream, upstreamSans } from './resolve-upstream.ts';
import { chooseWaypoint, isWaypointOf } from './resolve-waypoint.ts';
import { type GatewayAddress, type Service, type ServiceDescription, type Workload, gatewayText } from './workload.ts';
import { type WorkloadView, findAddress } from './workload-view.ts';

/** An address and a port; the address is canonical text. */
export interface TargetAddress {
  readonly address: string;
  readonly port: number;
}

export interface OutboundInput {
  readonly view: WorkloadView;
  /** The network of this proxy. */
  readonly network: string;
  readonly source: Workload;
  /** The TCP peer: the application's own address. */
  readonly sourceAddress: string;
  /** The original destination. */
  readonly target: TargetAddress;
  readonly random: () => number;
  /** Addresses of host names that an earlier plan asked for. */
  readonly resolved?: ReadonlyMap<string, readonly string[]>;
  /** Where ztunnels listen for HBONE; 15008 outside of tests. */
  readonly hbonePort?: number;
}

/** What labels and logs need of a decision. */
export interface OutboundFacts {
  readonly source: Workload;
  /** Who is dialled: the waypoint when there is one. Undefined for passthrough. */
  readonly destination: Workload | undefined;
  /** The service that was meant, never the waypoint's. */
  readonly service: ServiceDescription | undefined;
}

/** What to do with a captured connection. */
export type OutboundPlan =
  | (OutboundFacts & {
      readonly kind: 'hbone';
      readonly nextHop: TargetAddress;
      readonly authority: string;
      /** The peer must prove one of these; in order, as they are part of the pool's key. */
      readonly expectedIdentities: readonly string[];
    })
  | (OutboundFacts & {
      /** A tunnel through a gateway of another network, and a tunnel inside of it. */
      readonly kind: 'double-hbone';
      readonly nextHop: TargetAddress;
      readonly authority: string;
      readonly expectedIdentities: readonly string[];
      readonly innerIdentities: readonly string[];
    })
  | (OutboundFacts & { readonly kind: 'tcp'; readonly nextHop: TargetAddress })
  /** Plan again when the addresses of this host name are known. */
  | { readonly kind: 'resolve'; readonly hostname: string; readonly workload: Workload }
  | OutboundRejection;

/** The connection is closed. `reason` is the text of Istio's ztunnel. */
export interface OutboundRejection {
  readonly kind: 'rejected';
  readonly reason: string;
}

/** Decides one connection. */
export function planOutbound(input: OutboundInput): OutboundPlan {
  const { view, network, source, target } = input;
  const meant = findAddress(view, network, target.address, source.namespace);
  const service = meant?.kind === 'service' ? meant.service : undefined;
  if (service !== undefined) {
    const waypoint = chooseWaypoint(service, input.random);
    if (waypoint !== undefined) return planServiceWaypoint(input, service, waypoint);
  }

  const upstream = resolveUpstream(input, source.network, target, 'standard');
  switch (upstream.kind) {
    case 'resolve':
    case 'rejected':
      return upstream;
    case 'none':
      // A known service that cannot take the connection refuses it; it is never bypassed.
      if (service !== undefined && service.loadBalancing?.mode !== 'passthrough') {
        return rejected(`no healthy upstream: ${addressText(target)}`);
      }
      return { kind: 'tcp', source, destination: undefined, service: undefined, nextHop: target };
    case 'upstream':
      return planUpstream(input, service, upstream);
  }
}

function planServiceWaypoint(input: OutboundInput, service: Service, gateway: GatewayAddress): OutboundPlan {
  const waypoint = resolveGateway(input, gateway, 'unknown waypoint', 'waypoint');
  if (waypoint.kind !== 'upstream') return waypoint;
  if (waypoint.workload.network !== input.source.network) {
    return planThroughGateway(input, waypoint, service);
  }
  return planWaypoint(input, waypoint, describe(service));
}

function planWaypoint(input: OutboundInput, waypoint: Upstream, service: ServiceDescription | undefined): OutboundPlan {
  if (waypoint.address === undefined) return noValidDestination(waypoint.workload);
  return {
    kind: 'hbone',
    source: input.source,
    destination: waypoint.workload,
    service,
    nextHop: { address: waypoint.address, port: waypoint.port },
    // The waypoint is told the address the application dialled, not a translated one.
    authority: addressText(input.target),
    expectedIdentities: upstreamSans(waypoint),
  };
}

function planUpstream(input: OutboundInput, service: Service | undefined, upstream: Upstream): OutboundPlan {
  const { source, view, sourceAddress, target } = input;
  const { workload } = upstream;
  if (workload.network !== source.network) {
    if (service === undefined) {
      return rejected(`no service for target address: ${addressText(target)}`);
    }
    return planThroughGateway(input, upstream, service);
  }
  // Traffic that was addressed to a service never uses the waypoint of a workload.
  if (
    service === undefined &&
    workload.waypoint !== undefined &&
    !isWaypointOf(view, workload, source.identity, sourceAddress)
  ) {
    const waypoint = resolveGateway(input, workload.waypoint, 'unknown waypoint', 'waypoint');
    if (waypoint.kind !== 'upstream') return waypoint;
    return planWaypoint(input, waypoint, upstream.service && describe(upstream.service));
  }
  const { address, port } = upstream;
  if (address === undefined) return noValidDestination(workload);
  const facts = {
    source,
    destination: workload,
    service: upstream.service && describe(upstream.service),
  };
  if (workload.protocol === 'tcp') return { kind: 'tcp', ...facts, nextHop: { address, port } };
  return {
    kind: 'hbone',
    ...facts,
    nextHop: { address, port: input.hbonePort ?? 15008 },
    authority: addressText({ address, port }),
    expectedIdentities: upstreamSans(upstream),
  };
}

/** Another network is reached through its gateway only. Spec: contract data-plane 1.8. */
function planThroughGateway(input: OutboundInput, upstream: Upstream, service: Service): OutboundPlan {
  const reference = upstream.workload.networkGateway;
  if (reference === undefined) return noValidDestination(upstream.workload);
  const gateway = resolveGateway(input, reference, 'unknown network gateway', 'standard');
  if (gateway.kind !== 'upstream') return gateway;
  if (gateway.address === undefined) return noValidDestination(gateway.workload);
  return {
    kind: 'double-hbone',
    source: input.source,
    destination: gateway.workload,
    service: describe(service),
    nextHop: { address: gateway.address, port: gateway.port },
    authority: `${service.hostname}:${input.target.port}`,
    expectedIdentities: upstreamSans(gateway),
    // Only the service says who may end the inner tunnel; the workload is a stand-in.
    innerIdentities: upstream.service?.subjectAltNames ?? [],
  };
}

/** A waypoint or gateway that is referred to but not there refuses: never around it. */
function resolveGateway(
  input: OutboundInput,
  gateway: GatewayAddress,
  failure: string,
  mode: 'standard' | 'waypoint',
): Upstream | Exclude<OutboundPlan, OutboundFacts> {
  const text = gatewayText(gateway);
  const upstream = resolveUpstream(input, gateway, input.target, mode);
  return upstream.kind === 'none' ? rejected(`${failure}: ${text} not found`) : upstream;
}

function describe({ hostname, name, namespace }: Service): ServiceDescription {
  return { hostname, name, namespace };
}

function noValidDestination(workload: Workload): OutboundRejection {
  return rejected(`no valid routing destination for workload: ${workload.uid}`);
}

function rejected(reason: string): OutboundRejection {
  return { kind: 'rejected', reason };
}

/** `10.0.0.1:80` or `[fd00::1]:80`: an authority, and how addresses are logged. */
export function addressText({ address, port }: TargetAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
