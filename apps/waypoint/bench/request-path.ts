/**
 * Cost of the path of a request without connections: a route with a header match, 20 RBAC rules, a token where named.
 * Run: node apps/waypoint/bench/request-path.ts
 */
import { generateKeyPairSync, sign } from 'node:crypto';

import { access, proxy as messages } from '@ambit/api';
import {
  type ClientExchange,
  FieldList,
  type RequestHead,
  type ServerExchange,
  type ServerExchangeUser,
} from '@ambit/exchange';
import { peerIdentity } from '@ambit/policy';
import { create, toBinary } from '@bufbuild/protobuf';

import { ConfigState } from '../src/config/config-snapshot.ts';
import { compileDestination } from '../src/config/destination.ts';
import type { Compiled } from '../src/config/problems.ts';
import { compileProxy } from '../src/config/proxy.ts';
import { CopyBudget } from '../src/request/body-copy.ts';
import { RequestHandler } from '../src/request/request-handler.ts';
import type { RequestSurroundings } from '../src/request/request-surroundings.ts';
import type { EndpointLease, UpstreamUser } from '../src/request/upstream.ts';

function must<T>(compiled: Compiled<T>): T {
  if (compiled.kind === 'bad') throw new Error(compiled.problems.join('; '));
  return compiled.value;
}

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'ES256' }] });
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const signed = `${encode({ alg: 'ES256', kid: 'k' })}.${encode({ iss: 'i', sub: 'alice' })}`;
const token = `${signed}.${sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;

const hostname = 'shop.shop.svc.cluster.local';
const backend = { weight: 1, target: { case: 'backend' as const, value: { namespace: 'shop', hostname, port: 80 } } };

function snapshotFor(routeCount: number, ruleCount: number, hasTokens: boolean): ReturnType<ConfigState['apply']> {
  const routes = Array.from({ length: routeCount }, (_, i) => ({
    name: `route-${i}`,
    matches: [
      {
        path: { kind: { case: 'segments' as const, value: i === routeCount - 1 ? '/' : `/api/v${i}` } },
        headers: [{ name: 'x-tenant', match: { kind: { case: 'exact' as const, value: 'blue' } } }],
      },
    ],
    requestHeaders: { set: { 'x-route': 'yes' } },
    action: { case: 'forward' as const, value: { backends: [backend] } },
  }));
  const rules = Array.from({ length: ruleCount }, (_, i) => ({
    from: [
      {
        attributes: [
          {
            field: 'principals',
            values: [`cluster.local/ns/web/sa/${i === ruleCount - 1 ? 'frontend' : `other-${i}`}`],
          },
        ],
      },
    ],
    to: [
      {
        attributes: [
          { field: 'methods', values: ['GET'] },
          { field: 'paths', values: ['/shop*'] },
        ],
      },
    ],
  }));
  const policies =
    ruleCount === 0 ? [] : [{ namespace: 'shop', name: 'p', action: access.AuthorizationPolicy_Action.ALLOW, rules }];
  const destination = create(messages.DestinationSchema, {
    namespace: 'shop',
    hostname,
    served: true,
    ports: [{ port: 80, protocol: messages.Protocol.HTTP, httpRoutes: routes }],
    access: { policies, jwtRules: hasTokens ? [{ issuer: 'i', jwks, forwardToken: true }] : [] },
  });
  const proxy = create(messages.ProxySchema, {
    namespace: 'shop',
    name: 'waypoint',
    kind: messages.Proxy_Kind.WAYPOINT,
    trustDomains: ['cluster.local'],
    handling: { serverHeader: 'istio-envoy' },
  });
  return new ConfigState().apply({
    proxy: must(compileProxy(toBinary(messages.ProxySchema, proxy))),
    destinations: new Map([['d', must(compileDestination(toBinary(messages.DestinationSchema, destination)))]]),
  });
}

class NullExchange implements ServerExchange {
  readonly head: RequestHead;
  user: ServerExchangeUser = { onBody() {}, onEnd() {}, onWritable() {}, onAborted() {} };
  constructor(head: RequestHead) {
    this.head = head;
  }
  respondInformational(): void {}
  respond(): void {}
  write(): boolean {
    return true;
  }
  end(): void {}
  abort(): void {}
  pause(): void {}
  resume(): void {}
  closeAfter(): void {}
}

const nullClient: ClientExchange = { write: () => true, end() {}, abort() {}, pause() {}, resume() {} };
const body = Buffer.from('hello');
const endpoint = { id: 'e', address: '10.0.0.1:8080', workload: undefined };
const lease: EndpointLease = { kind: 'endpoint', endpoint, release() {} };
const pending = { cancel() {} };

function answer(user: UpstreamUser): void {
  user.onConnected(nullClient, '10.0.0.9:4000');
  const fields = new FieldList();
  fields.add('content-type', 'text/plain');
  fields.add('date', 'Thu, 01 Jan 2026 00:00:00 GMT');
  user.onResponse({ status: 200, fields, contentLength: 5 }, false);
  user.onBody(body, 0, body.length);
  user.onEnd(undefined);
}

function requestHead(hasToken: boolean): RequestHead {
  const fields = new FieldList();
  fields.add('user-agent', 'bench/1.0');
  fields.add('accept', '*/*');
  fields.add('x-tenant', 'blue');
  fields.add('x-request-id', '11111111-2222-4333-8444-555555555555');
  if (hasToken) fields.add('authorization', `Bearer ${token}`);
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'shop',
    target: '/shop/cart?x=1',
    protocol: 'HTTP/1.1',
    contentLength: undefined,
    hasBody: false,
    upgrade: undefined,
    expectsContinue: false,
    fields,
  };
}

function measure(name: string, routes: number, rules: number, hasToken: boolean, rounds: number): void {
  const config = snapshotFor(routes, rules, hasToken);
  if (config === undefined) throw new Error('no configuration');
  let ended = 0;
  const surroundings: RequestSurroundings = {
    identity: 'spiffe://cluster.local/ns/shop/sa/waypoint',
    newRequestId: () => 'id',
    timers: { nowMs: 1, setTimer: (delayMs) => ({ dueMs: delayMs }), clearTimer() {} },
    upstreams: {
      choose: () => lease,
      open: (_lease, _head, _isEnd, user) => {
        answer(user);
        return pending;
      },
      beginRetry: () => true,
      endRetry() {},
    },
    observer: {
      onRequestStart() {},
      onRequestEnd: (record) => {
        if (record.status === 200) ended += 1;
      },
    },
    copyBudget: new CopyBudget(1 << 26),
    config: () => config,
    wallTimeMs: () => 1_767_225_600_000,
    random: () => 0.5,
  };
  const handler = new RequestHandler(
    {
      served: { kind: 'service', key: `shop/${hostname}`, namespace: 'shop', hostname, port: 80 },
      scheme: 'http',
      peer: peerIdentity('cluster.local', 'web', 'frontend'),
      source: undefined,
      sourceIp: Uint8Array.of(10, 1, 0, 7),
      sourceAddress: '10.1.0.7',
      remoteAddress: '10.1.0.7:0',
      destinationIp: Uint8Array.of(10, 96, 0, 5),
      destinationAddress: '10.96.0.5',
      destinationPort: 80,
      localAddress: '10.96.0.5:80',
      serverName: undefined,
      clientCertificate: undefined,
    },
    surroundings,
    () => {},
  );
  const run = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const exchange = new NullExchange(requestHead(hasToken));
      handler.onRequest(exchange);
      exchange.user.onEnd(undefined);
    }
  };
  run(rounds / 5);
  ended = 0;
  const start = process.cpuUsage();
  run(rounds);
  const { user, system } = process.cpuUsage(start);
  if (ended !== rounds) throw new Error(`${rounds - ended} requests were not answered with 200`);
  process.stdout.write(`${name.padEnd(44)} ${((user + system) / rounds).toFixed(2)} µs of CPU a request\n`);
}

measure('1 route, no policy', 1, 0, false, 200_000);
measure('1 route, 20 rules', 1, 20, false, 200_000);
measure('100 routes, 20 rules', 100, 20, false, 100_000);
measure('1,000 routes, 20 rules', 1000, 20, false, 20_000);
measure('1 route, 20 rules, a token', 1, 20, true, 10_000);
