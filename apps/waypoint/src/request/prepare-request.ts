/**
 * The first look at a request: whether it can be handled at all, its path in the one form that everybody will see, and its
 * head without what only a proxy may say. Spec: contract l7 4.4, 4.8, 4.9, 5.2, 5.3.
 */
import type { FieldList, RequestHead } from '@ambit/exchange';
import { parseIp } from '@ambit/net';
import { type NormalisedTarget, normaliseTarget } from '@ambit/routing';

import type { CompiledProxy } from '../config/proxy.ts';
import type { DownstreamFacts } from './downstream-facts.ts';
import { clientCertificateText } from './forwarded-client-certificate.ts';
import {
  badMethod,
  badTarget,
  http10Refused,
  type LocalReply,
  redirectReply,
  routeNotFound,
  upgradeRefused,
} from './local-reply.ts';
import { RequestView } from './request-view.ts';

export type PreparedRequest =
  | {
      readonly kind: 'ready';
      readonly view: RequestView;
      /** As believed; canonical text. */ readonly clientAddress: string;
    }
  | { readonly kind: 'answer'; readonly reply: LocalReply };

/** What the proxy itself is and can. */
export interface ProxySelf {
  /** `spiffe://...` of this proxy. */
  readonly identity: string;
  newRequestId(): string;
}

/** Edits the head. Nothing else of the request has been looked at before. */
export function prepareRequest(
  head: RequestHead,
  facts: DownstreamFacts,
  proxy: CompiledProxy,
  self: ProxySelf,
): PreparedRequest {
  const { handling } = proxy;
  if (head.protocol === 'HTTP/1.0' && !handling.acceptsHttp10) return answer(http10Refused);
  if (isDisguisedMethod(head.method)) return answer(badMethod);
  if (head.upgrade !== undefined) {
    if (head.upgrade.toLowerCase() !== 'websocket') return answer(upgradeRefused);
  } else if (head.method === 'CONNECT') {
    return answer(routeNotFound);
  }
  // `OPTIONS *` asks the server itself, of which there is none behind a route.
  if (head.target === '*') return answer(routeNotFound);
  const target = normaliseTarget(head.target, handling.pathRules);
  if (target.kind !== 'target') return answer(targetReply(target));
  if (handling.pathRules.normalisation !== 'none' && hasDottedParameter(target.path)) {
    return answer(badTarget('dot segment with parameters'));
  }
  head.target = target.path + target.query;

  const isGateway = proxy.kind === 'gateway';
  const { fields } = head;
  stripUntrusted(fields, isGateway);
  const client = isGateway
    ? gatewayClient(fields, facts, handling.trustedProxies)
    : (lastForwardedFor(fields) ?? facts.sourceAddress);
  const scheme = schemeOf(fields, facts, isGateway && handling.trustedProxies === 0);
  head.scheme = scheme;
  fields.set('x-forwarded-proto', scheme);
  if (isGateway) {
    appendForwardedFor(fields, facts.sourceAddress);
    fields.set('x-envoy-external-address', client);
  }
  if (isGateway || !fields.has('x-request-id')) fields.set('x-request-id', self.newRequestId());
  const certificate = clientCertificateText(facts, isGateway, handling.forwardsClientIdentity, self.identity);
  if (certificate !== undefined) fields.set('x-forwarded-client-cert', certificate);
  const remoteIp = client === facts.sourceAddress ? facts.sourceIp : (parseIp(client)?.bytes ?? facts.sourceIp);
  return { kind: 'ready', view: new RequestView(head, facts, target, remoteIp, scheme), clientAddress: client };
}

function answer(reply: LocalReply): PreparedRequest {
  return { kind: 'answer', reply };
}

const methods: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
]);

/** `delete` is no DELETE to a policy, but is one to some backends. Class: GHSA-w44g-8m76-8gc5. */
function isDisguisedMethod(method: string): boolean {
  return !methods.has(method) && methods.has(method.toUpperCase());
}

/** `/..;x/` is a name to a policy and the parent to some backends. Class: CVE-2026-73553. */
function hasDottedParameter(path: string): boolean {
  return path.includes('/.') && (path.includes('/..;') || path.includes('/.;'));
}

function targetReply(target: NormalisedTarget & { readonly kind: 'redirect' | 'refused' }): LocalReply {
  return target.kind === 'redirect'
    ? redirectReply(307, target.target, 'path_normalization_redirect')
    : badTarget(target.reason);
}

/** Set by a gateway in front of a waypoint, which the mesh's own routing put there. */
const keptAtWaypoints: ReadonlySet<string> = new Set(['x-envoy-attempt-count', 'x-envoy-external-address']);

/** What only proxies say to each other and what this proxy is going to say is not taken from a client. */
function stripUntrusted(fields: FieldList, isGateway: boolean): void {
  let stripped: string[] | undefined;
  for (let i = 0; i < fields.length; i++) {
    const name = fields.nameAt(i);
    // All of them begin with `x-`; most fields do not.
    if (name.charCodeAt(0) !== 0x78 || name.charCodeAt(1) !== 0x2d) continue;
    const isUntrusted =
      name === 'x-forwarded-client-cert' ||
      name.startsWith('x-ambit-') ||
      (name.startsWith('x-envoy-') && (isGateway || !keptAtWaypoints.has(name)));
    if (isUntrusted) (stripped ??= []).push(name);
  }
  if (stripped !== undefined) for (const name of stripped) fields.remove(name);
}

/** A gateway overwrites what a client says; a waypoint believes the mesh's proxies before it. */
function schemeOf(fields: FieldList, facts: DownstreamFacts, isOverwritten: boolean): 'http' | 'https' {
  const told = isOverwritten ? undefined : fields.get('x-forwarded-proto');
  return told === 'http' || told === 'https' ? told : facts.scheme;
}

/** The trusted client: the peer, or with N trusted proxies the N-th entry from the right, which the N-th proxy wrote. */
function gatewayClient(fields: FieldList, facts: DownstreamFacts, trustedProxies: number): string {
  if (trustedProxies === 0) return facts.sourceAddress;
  const entries = fields.joined('x-forwarded-for')?.split(',') ?? [];
  return addressText(entries.at(-trustedProxies)) ?? facts.sourceAddress;
}

function lastForwardedFor(fields: FieldList): string | undefined {
  const list = fields.joined('x-forwarded-for');
  return list === undefined ? undefined : addressText(list.slice(list.lastIndexOf(',') + 1));
}

/** Canonical text of an entry; undefined if it is no address. */
function addressText(entry: string | undefined): string | undefined {
  return entry === undefined ? undefined : parseIp(entry.trim())?.toString();
}

function appendForwardedFor(fields: FieldList, address: string): void {
  const list = fields.joined('x-forwarded-for');
  fields.set('x-forwarded-for', list === undefined || list === '' ? address : `${list},${address}`);
}
