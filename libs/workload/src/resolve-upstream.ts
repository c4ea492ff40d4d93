/**
 * From an address or a gateway reference to one workload, one of its addresses and a port. Pure.
 * Spec: contract data-plane 5.3 (lookup L2) and 5.5.
 */
import { chooseEndpoint, type ResolutionMode, targetPortOf } from './choose-endpoint.ts';
import { isIpv6 } from './ip-words.ts';
import type { OutboundInput, OutboundRejection, TargetAddress } from './plan-outbound.ts';
import type { GatewayAddress, Service, Workload } from './workload.ts';
import { findHostname } from './workload-view.ts';

/** Who is going to be dialled. */
export interface Upstream {
  readonly kind: 'upstream';
  readonly workload: Workload;
  /** Undefined only for a workload behind a gateway. */
  readonly address: string | undefined;
  readonly port: number;
  /** The service that led here. */
  readonly service: Service | undefined;
}

export type UpstreamResult =
  | Upstream
  /** Nothing known, nothing healthy, or a passthrough service. */
  | { readonly kind: 'none' }
  | { readonly kind: 'resolve'; readonly hostname: string; readonly workload: Workload }
  | OutboundRejection;

type Input = Pick<OutboundInput, 'view' | 'source' | 'random' | 'resolved'>;

/**
 * Looks up `where` (the name of a network for `target` itself, or a gateway): service first, then
 * workload. `target` decides which address family is preferred.
 */
export function resolveUpstream(
  input: Input,
  where: string | GatewayAddress,
  target: TargetAddress,
  mode: ResolutionMode,
): UpstreamResult {
  if (typeof where === 'string') return byAddress(input, where, target, mode);
  const { destination, hbonePort: port } = where;
  if (destination.kind === 'address') {
    return byAddress(input, destination.network, { address: destination.address, port }, mode);
  }
  const found = findHostname(input.view, destination.namespace, destination.hostname);
  if (found === undefined) return none;
  if (found.kind === 'workload') return finish(input, found.workload, port, undefined, target);
  return fromService(input, found.service, port, target, mode);
}

/** The identities a peer may have: those of the service, then the workload's own. */
export function upstreamSans({ service, workload }: Upstream): readonly string[] {
  const sans = service?.subjectAltNames ?? [];
  return sans.length === 0 ? [workload.identity] : [...sans, workload.identity];
}

const none: UpstreamResult = { kind: 'none' };

function byAddress(input: Input, network: string, target: TargetAddress, mode: ResolutionMode): UpstreamResult {
  const { view, source } = input;
  const service = view.bestServiceByVip(network, target.address, source.namespace);
  if (service !== undefined) {
    if (service.loadBalancing?.mode === 'passthrough') return none;
    return fromService(input, service, target.port, target, mode);
  }
  const workload = view.workloadByAddress(network, target.address);
  if (workload === undefined) return none;
  return finish(input, workload, target.port, undefined, target);
}

function fromService(
  input: Input,
  service: Service,
  servicePort: number,
  target: TargetAddress,
  mode: ResolutionMode,
): UpstreamResult {
  const { view, source, random } = input;
  const chosen = chooseEndpoint(view, source, service, servicePort, mode, random);
  if (chosen === undefined) return none;
  const port = targetPortOf(service, servicePort, chosen);
  if (port === undefined) return none;
  return finish(input, chosen.workload, port, service, target);
}

/** Chooses among the addresses of the workload, which may have to be asked for by name. */
function finish(
  input: Input,
  workload: Workload,
  port: number,
  service: Service | undefined,
  target: TargetAddress,
): UpstreamResult {
  const address = ownAddress(workload, service, target.address);
  if (address !== undefined) return { kind: 'upstream', workload, address, port, service };
  if (workload.hostname === '') {
    if (workload.networkGateway === undefined) {
      const reason = `no valid routing destination for workload: ${workload.uid}`;
      return { kind: 'rejected', reason };
    }
    return { kind: 'upstream', workload, address: undefined, port, service };
  }
  const answers = input.resolved?.get(workload.hostname);
  if (answers === undefined) return { kind: 'resolve', hostname: workload.hostname, workload };
  const sameFamily = answers.filter((answer) => isIpv6(answer) === isIpv6(target.address));
  const choices = sameFamily.length > 0 ? sameFamily : answers;
  const answer = choices[Math.floor(input.random() * choices.length)];
  if (answer === undefined) {
    const reason = `no ip addresses were resolved for workload: ${workload.uid}`;
    return { kind: 'rejected', reason };
  }
  return { kind: 'upstream', workload, address: answer, port, service };
}

function ownAddress(workload: Workload, service: Service | undefined, wanted: string): string | undefined {
  if (workload.addresses.includes(wanted)) return wanted;
  const wantsV6 = isIpv6(wanted);
  let other: string | undefined;
  for (const address of workload.addresses) {
    const isV6 = isIpv6(address);
    if (service?.ipFamilies === (isV6 ? 'ipv4' : 'ipv6')) continue;
    if (isV6 === wantsV6) return address;
    other ??= address;
  }
  return other;
}
