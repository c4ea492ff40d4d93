/** A waypoint's request path on a table: configuration from messages, a clock, backends and clients in a test's hands. */
import { proxy as messages } from '@ambit/api';
import type { RequestHead } from '@ambit/exchange';
import { peerIdentity } from '@ambit/policy';
import { TokenBuckets } from '@ambit/routing';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';

import { type ConfigSnapshot, ConfigState } from '../../config/config-snapshot.ts';
import { compileDestination } from '../../config/destination.ts';
import type { Compiled } from '../../config/problems.ts';
import { compileProxy } from '../../config/proxy.ts';
import { compileServer } from '../../config/server.ts';
import { CopyBudget } from '../body-copy.ts';
import type { DownstreamFacts } from '../downstream-facts.ts';
import { RequestHandler } from '../request-handler.ts';
import type { RequestRecord } from '../request-record.ts';
import type { RequestSurroundings } from '../request-surroundings.ts';
import { SpanExporter } from '../trace/span-exporter.ts';
import { FakeServerExchange, type HeaderPairs, requestHead } from './fake-server-exchange.ts';
import { FakeUpstreams } from './fake-upstreams.ts';
import { ManualTimers } from './manual-timers.ts';

type ProxyShape = MessageInitShape<typeof messages.ProxySchema>;
type DestinationShape = MessageInitShape<typeof messages.DestinationSchema>;
type ServerShape = MessageInitShape<typeof messages.ServerSchema>;
export type PortShape = MessageInitShape<typeof messages.DestinationPortSchema>;

export const shopKey = 'shop/shop.shop.svc.cluster.local';

export const waypointFacts: DownstreamFacts = {
  served: {
    kind: 'service',
    key: shopKey,
    namespace: 'shop',
    hostname: 'shop.shop.svc.cluster.local',
    port: 80,
  },
  scheme: 'http',
  peer: peerIdentity('cluster.local', 'web', 'frontend'),
  source: undefined,
  sourceIp: Uint8Array.of(10, 1, 0, 7),
  sourceAddress: '10.1.0.7',
  remoteAddress: '10.1.0.7:43210',
  destinationIp: Uint8Array.of(10, 96, 0, 5),
  destinationAddress: '10.96.0.5',
  destinationPort: 80,
  localAddress: '10.96.0.5:80',
  serverName: undefined,
  clientCertificate: undefined,
};

export const gatewayFacts: DownstreamFacts = {
  ...waypointFacts,
  served: { kind: 'server', port: 80, listener: undefined },
  peer: undefined,
  sourceIp: Uint8Array.of(203, 0, 113, 9),
  sourceAddress: '203.0.113.9',
  remoteAddress: '203.0.113.9:50000',
};

export interface LabOptions {
  readonly proxy?: ProxyShape;
  /** Ports of the served service; without: port 80 without routes. */
  readonly ports?: readonly PortShape[];
  readonly access?: DestinationShape['access'];
  readonly destinations?: readonly DestinationShape[];
  readonly servers?: readonly ServerShape[];
  readonly facts?: DownstreamFacts;
  readonly upstreams?: FakeUpstreams;
  readonly random?: () => number;
  readonly copyBytes?: number;
  /** Of the process. */
  readonly environment?: Readonly<Record<string, string>>;
}

export function must<T>(compiled: Compiled<T>): T {
  if (compiled.kind === 'bad') throw new Error(compiled.problems.join('; '));
  return compiled.value;
}

/** A service as messages have it, with port 80. */
export function service(hostname: string, parts: DestinationShape = {}): DestinationShape {
  return {
    namespace: 'shop',
    hostname,
    served: false,
    ports: [{ port: 80, protocol: messages.Protocol.HTTP }],
    ...parts,
  };
}

export function snapshotOf(options: LabOptions): ConfigSnapshot {
  const state = new ConfigState();
  const shop = service('shop.shop.svc.cluster.local', {
    served: true,
    ports: [...(options.ports ?? [{ port: 80, protocol: messages.Protocol.HTTP }])],
    ...(options.access === undefined ? {} : { access: options.access }),
  });
  const proxyShape: ProxyShape = {
    namespace: 'shop',
    name: 'waypoint',
    kind: messages.Proxy_Kind.WAYPOINT,
    trustDomains: ['cluster.local'],
    ...options.proxy,
  };
  const destinations = [shop, ...(options.destinations ?? [])].map((shape, i) => {
    const bytes = toBinary(messages.DestinationSchema, create(messages.DestinationSchema, shape));
    return [`destination ${i}`, must(compileDestination(bytes))] as const;
  });
  const servers = (options.servers ?? []).map((shape, i) => {
    const bytes = toBinary(messages.ServerSchema, create(messages.ServerSchema, shape));
    return [`server ${i}`, must(compileServer(bytes))] as const;
  });
  const snapshot = state.apply({
    proxy: must(compileProxy(toBinary(messages.ProxySchema, create(messages.ProxySchema, proxyShape)))),
    destinations: new Map(destinations),
    servers: new Map(servers),
  });
  if (snapshot === undefined) throw new Error('no configuration');
  return snapshot;
}

export class Lab {
  readonly timers: ManualTimers = new ManualTimers();
  readonly upstreams: FakeUpstreams;
  readonly budget: CopyBudget;
  readonly spans: SpanExporter;
  readonly started: RequestRecord[] = [];
  readonly ended: RequestRecord[] = [];
  /** What rate limits said, as `<limit> <scope> <result>`. */
  readonly decisions: string[] = [];
  readonly #copyBytes: number;
  readonly #handler: RequestHandler;
  config: ConfigSnapshot;

  constructor(options: LabOptions = {}) {
    this.upstreams = options.upstreams ?? new FakeUpstreams({ connectsAtOnce: true });
    this.config = snapshotOf(options);
    this.#copyBytes = options.copyBytes ?? 8 * 1024 * 1024;
    this.budget = new CopyBudget(this.#copyBytes);
    this.spans = new SpanExporter({
      timers: this.timers,
      upstreams: this.upstreams,
      serviceName: 'waypoint.shop',
      clusterId: 'Kubernetes',
      podName: 'waypoint-1',
      namespace: 'shop',
      gateway: 'waypoint',
      trustDomain: 'cluster.local',
      constants: {
        hostname: 'waypoint-1',
        environment: (name) => options.environment?.[name],
        expression: () => undefined,
      },
    });
    let ids = 0;
    const surroundings: RequestSurroundings = {
      identity: 'spiffe://cluster.local/ns/shop/sa/waypoint',
      newRequestId: () => `request-${(ids += 1)}`,
      timers: this.timers,
      upstreams: this.upstreams,
      observer: {
        onRequestStart: (record) => void this.started.push(record),
        onRequestEnd: (record) => {
          if (this.ended.includes(record)) throw new Error('a request ended twice');
          this.ended.push(record);
        },
      },
      spans: this.spans,
      copyBudget: this.budget,
      buckets: new TokenBuckets(TokenBuckets.allocate(1024), () => BigInt(Math.round(this.timers.nowMs * 1e6))),
      limits: {
        onLimit: ({ name, scope }, result) => void this.decisions.push(`${name} ${scope.kind} ${result}`),
      },
      config: () => this.config,
      wallTimeMs: () => Date.UTC(2026, 0, 1) + this.timers.nowMs,
      random: options.random ?? ((): number => 0.5),
    };
    this.#handler = new RequestHandler(options.facts ?? waypointFacts, surroundings, () => {});
  }

  /** A request whose head is complete; one without body has ended too. */
  request(parts: Partial<Omit<RequestHead, 'fields'>> & { readonly headers?: HeaderPairs } = {}): FakeServerExchange {
    const exchange = new FakeServerExchange(requestHead(parts));
    this.#handler.onRequest(exchange);
    if (!exchange.head.hasBody) exchange.sendEnd();
    return exchange;
  }

  /** The record of the request that ended last. */
  get record(): RequestRecord {
    const record = this.ended.at(-1);
    if (record === undefined) throw new Error('no request has ended');
    return record;
  }

  /** Throws unless everything that requests hold has been given back. */
  assertNothingHeld(): void {
    const held = {
      leases: this.upstreams.openLeases,
      retries: this.upstreams.activeRetries,
      timers: this.timers.pendingCount,
      copyBytes: this.#copyBytes - this.budget.restBytes,
      records: this.started.length - this.ended.length,
    };
    if (Object.values(held).some((count) => count !== 0)) throw new Error(`still held: ${JSON.stringify(held)}`);
  }
}
