/** The last decisions before a request leaves: its edited head, limits, session. Spec: contract l7 3.2, 3.3, 5.2. */
import { randomBytes } from 'node:crypto';

import type { RequestAdmitted } from '@ambit/policy';
import { parseGrpcTimeout, splitAuthority } from '@ambit/routing';

import type { BackendTarget } from '../config/backend-target.ts';
import { type ConfigSnapshot, trafficPolicyOf } from '../config/config-snapshot.ts';
import type { FoundRoute, RouteBackend, RouteRetries } from '../config/route.ts';
import type { HashKey } from '../config/traffic-policy.ts';
import { editRequest } from './edit-request.ts';
import type { ForwardPlan } from './forwarding.ts';
import type { RequestRecord } from './request-record.ts';
import type { RequestView } from './request-view.ts';
import { noSession, sessionHash } from './session-hash.ts';

/** Edits the head. `setCookie`: for the answer, when a session begins. */
export function planForward(
  permit: RequestAdmitted,
  found: FoundRoute,
  backend: RouteBackend,
  target: BackendTarget,
  view: RequestView,
  record: RequestRecord,
  config: ConfigSnapshot,
  sessionTag: string | undefined,
): { readonly plan: ForwardPlan; readonly setCookie: string | undefined } {
  const { head, facts } = view;
  const { route } = found;
  const key = hashKeyOf(config, target);
  const session =
    key === undefined ? noSession : sessionHash(key, view, record.clientAddress ?? facts.sourceAddress, newSessionKey);
  // Of the request as the client sent it: a rewrite does not change which server the client means.
  const { timeoutMs, isClientDeadline } = requestLimit(route.timeoutMs, view, record.isGrpc);
  editRequest(found, backend, view, record);
  const { perTryTimeoutMs } = route.retries.policy;
  const expectedMs = Math.min(timeoutMs ?? Number.POSITIVE_INFINITY, perTryTimeoutMs ?? Number.POSITIVE_INFINITY);
  if (Number.isFinite(expectedMs)) head.fields.set('x-envoy-expected-rq-timeout-ms', String(Math.ceil(expectedMs)));
  if (head.upgrade !== undefined && head.protocol === 'HTTP/2') turnIntoHttp1Upgrade(view);
  const plan: ForwardPlan = {
    permit,
    target,
    head,
    retries: key === undefined ? route.retries : retriesOfHash(route.retries),
    timeoutMs,
    isClientDeadline,
    countsAttempts: config.proxy.kind === 'gateway',
    choice: {
      hash: session.hash,
      clientProtocol: head.protocol,
      isVersionOfEdge: facts.served.kind === 'server' && !record.isGrpc,
      isUpgrade: head.upgrade !== undefined,
      originalAddress: facts.destinationAddress,
      originalPort: facts.destinationPort,
      requestHost: splitAuthority(head.authority).host,
      sessionTag,
    },
  };
  return { plan, setCookie: session.setCookie };
}

/** Istio: with consistent hashing other endpoints are not wanted, unless somebody says so. */
function retriesOfHash(retries: RouteRetries): RouteRetries {
  return retries.leavesHashedEndpoint ? retries : { ...retries, reusesEndpoints: true };
}

function hashKeyOf(config: ConfigSnapshot, target: BackendTarget): HashKey | undefined {
  const { balancing } = trafficPolicyOf(config, target);
  return balancing.kind === 'ring' || balancing.kind === 'maglev' ? balancing.hashKey : undefined;
}

/** The client's own deadline counts as long as the route's is not shorter. */
function requestLimit(
  routeTimeoutMs: number | undefined,
  view: RequestView,
  isGrpc: boolean,
): { readonly timeoutMs: number | undefined; readonly isClientDeadline: boolean } {
  const text = isGrpc ? view.head.fields.get('grpc-timeout') : undefined;
  const deadlineMs = text === undefined ? undefined : parseGrpcTimeout(text);
  if (deadlineMs === undefined || deadlineMs === 0) return { timeoutMs: routeTimeoutMs, isClientDeadline: false };
  if (routeTimeoutMs !== undefined && routeTimeoutMs <= deadlineMs) {
    return { timeoutMs: routeTimeoutMs, isClientDeadline: false };
  }
  return { timeoutMs: deadlineMs, isClientDeadline: true };
}

/** An extended CONNECT is asked for as GET with a key, which only HTTP/1.1 has. Spec: RFC 8441 section 5. */
function turnIntoHttp1Upgrade({ head }: RequestView): void {
  head.method = 'GET';
  if (!head.fields.has('sec-websocket-key')) head.fields.set('sec-websocket-key', newWebSocketKey());
}

function newWebSocketKey(): string {
  return randomBytes(16).toString('base64');
}

function newSessionKey(): string {
  return randomBytes(16).toString('hex');
}
