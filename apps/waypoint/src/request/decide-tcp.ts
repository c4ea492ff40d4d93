/**
 * What becomes of a connection that is not read as HTTP: policies without HTTP's attributes, then a backend by server name and
 * weight. Pure but for the turns of weights. Spec: contract l7 1.7, 3.2, 4.3.
 */
import { authorizeRequest, type RequestAdmitted, type RequestFacts } from '@ambit/policy';

import { type BackendTarget, workloadTarget } from '../config/backend-target.ts';
import type { ConfigSnapshot } from '../config/config-snapshot.ts';
import { type ForwardAction, nextBackend } from '../config/route.ts';
import { nameSpecificity } from '../config/server-name.ts';
import type { CompiledTcpRoute } from '../config/tcp-route.ts';
import { coversHost } from '../config/wildcard-host.ts';
import type { DownstreamFacts } from './downstream-facts.ts';
import { accessOf } from './find-route.ts';
import type { ResponseFlag } from './request-record.ts';

export type TcpDecision =
  /** `permit`: whoever opens the connection to the backend asks for one. */
  | {
      readonly kind: 'forward';
      readonly permit: RequestAdmitted;
      readonly target: BackendTarget;
      readonly routeName: string;
    }
  /** Close it, without a word. `details` for CONNECTION_TERMINATION_DETAILS. */
  | { readonly kind: 'close'; readonly details: string; readonly flag: ResponseFlag | undefined };

/**
 * For a new connection. `routes`: of the port or listener that took it, in order; a workload needs none. `serverName`: as read
 * from a ClientHello, if there was one.
 */
export function decideTcp(
  config: ConfigSnapshot,
  facts: DownstreamFacts,
  routes: readonly CompiledTcpRoute[],
  serverName: string | undefined,
): TcpDecision {
  const access = accessOf(config, facts.served);
  if (access === undefined) return close('filter_chain_not_found', 'NR');
  const view = new ConnectionView(facts, serverName);
  // There is nothing to show to an HTTP provider, and to let it pass unasked would open what was to be asked about.
  if (access.tcp.providersToAsk(view).length > 0) return close('ext_authz_error', 'UAEX');
  const authorization = authorizeRequest(access.tcp, view);
  if (authorization.kind === 'denied') return close(authorization.details, undefined);
  if (facts.served.kind === 'workload') {
    const { workload, address, port } = facts.served;
    const target = workloadTarget(workload.uid, address, port);
    return { kind: 'forward', permit: authorization, target, routeName: 'default' };
  }
  // A wildcard service is a way out to the hosts that it covers, and to no other.
  const { served } = facts;
  const isCovered =
    served.kind !== 'service' ||
    !served.hostname.startsWith('*') ||
    coversHost(served.hostname, serverName?.toLowerCase() ?? '');
  if (!isCovered) return close('route_not_found', 'NR');
  const route = routes.find((candidate) => isFor(candidate, serverName));
  if (route === undefined) return close('route_not_found', 'NR');
  const target = backendOf(route.action);
  return target === undefined
    ? close('cluster_not_found', 'NC')
    : { kind: 'forward', permit: authorization, target, routeName: route.name };
}

function close(details: string, flag: ResponseFlag | undefined): TcpDecision {
  return { kind: 'close', details, flag };
}

function backendOf(action: ForwardAction): BackendTarget | undefined {
  const target = nextBackend(action)?.target;
  return target?.kind === 'backend' ? target.backend : undefined;
}

function isFor({ serverNames }: CompiledTcpRoute, serverName: string | undefined): boolean {
  if (serverNames.length === 0) return true;
  const lowerName = serverName?.toLowerCase() ?? '';
  return serverNames.some((pattern) => nameSpecificity(pattern, lowerName) !== undefined);
}

/** A connection as policies see it: nothing of HTTP is known. */
class ConnectionView implements RequestFacts {
  readonly peer: RequestFacts['peer'];
  readonly sourceIp: Uint8Array;
  readonly remoteIp: Uint8Array;
  readonly destinationIp: Uint8Array;
  readonly destinationPort: number;
  readonly serverName: string | undefined;
  readonly http: undefined;

  constructor(facts: DownstreamFacts, serverName: string | undefined) {
    this.peer = facts.peer;
    this.sourceIp = facts.sourceIp;
    this.remoteIp = facts.sourceIp;
    this.destinationIp = facts.destinationIp;
    this.destinationPort = facts.destinationPort;
    this.serverName = serverName;
    this.http = undefined;
  }
}
