/** An ingress gateway: its listeners, the routes attached to them, and the Servers made of both. Spec: l7.md section 1. */
import { proxy, type route } from '@ambit/api';
import { compareText, type Index } from '@ambit/collections';
import type { GRPCRoute, HTTPRoute, Labels, TCPRoute, TLSRoute } from '@ambit/kube';
import { create, toBinary } from '@bufbuild/protobuf';
import { compareAge } from '../derive/age-order.ts';
import type { MeshReads } from '../derive/mesh-reads.ts';
import type { MeshObjects } from '../derive/mesh-objects.ts';
import type { DeploymentProblem } from '../derive/mesh-sources.ts';
import type { ServiceView } from './backend-lookup.ts';
import type { CipherChoice } from './cipher-suites.ts';
import { httpBackends, streamBackends } from './destination-plan.ts';
import type { MaterialProblem } from './key-material.ts';
import type { ListenerFinder } from './gateway-listeners.ts';
import type { L7Gateway } from './l7-gateway.ts';
import type { JudgedSet } from './listener-owner.ts';
import type { ListenerCertificates, PlannedListener } from './listener-plan.ts';
import type { MeshView } from './mesh-view.ts';
import { type Attachment, attachRoute } from './route-attachment.ts';
import { listenerParents, listenerSetParentKey, parentOf } from './route-parents.ts';
import { onPort, type RouteConversions } from './route-conversion.ts';
import { inPrecedence, type RankedRoute } from './route-rank.ts';
import type { AnyRoute } from './route-status.ts';
import { streamRoutes } from './stream-routes.ts';

/** A Server as it is sent. */
export interface PlannedServer {
  /** Resource name: `namespace/gateway/port`. */
  readonly name: string;
  readonly gateway: string;
  readonly message: proxy.Server;
  readonly bytes: Uint8Array;
  /** Keys of the services its routes refer to, sorted. */
  readonly backends: readonly string[];
}

/** What a gateway's listeners came to; for statuses. */
export interface ListenerReport {
  readonly planned: PlannedListener;
  /** Routes that it took, whether or not it is served. */
  readonly attachedRoutes: number;
}

export interface GatewayPlan {
  readonly servers: readonly PlannedServer[];
  /** The Gateway's own, then those of the ListenerSets it lets. */
  readonly listeners: readonly ListenerReport[];
  /** ListenerSets that name the gateway, let or not. */
  readonly sets: readonly JudgedSet[];
  /** Why there are no proxies, or not those that it should have. */
  readonly deploymentProblem: DeploymentProblem | undefined;
  /** Why backends are shown no certificate although the Gateway names one. */
  readonly backendCertificateProblem: MaterialProblem | undefined;
}

/** A gateway with its plan. */
export interface PlannedGateway {
  readonly at: L7Gateway;
  readonly plan: GatewayPlan;
}

/** A route with the listeners that take it. */
interface AttachedRoute<T extends AnyRoute = AnyRoute> {
  readonly resource: T;
  readonly attachments: readonly Attachment[];
}

/** Plans ingress gateways. */
export class GatewayPlanner {
  readonly #objects: MeshObjects;
  readonly #listeners: ListenerFinder;
  readonly #view: MeshView;
  readonly #conversions: RouteConversions;
  readonly #http: Index<HTTPRoute>;
  readonly #grpc: Index<GRPCRoute>;
  readonly #tls: Index<TLSRoute>;
  readonly #tcp: Index<TCPRoute>;

  constructor(objects: MeshObjects, listeners: ListenerFinder, view: MeshView, conversions: RouteConversions) {
    this.#objects = objects;
    this.#listeners = listeners;
    this.#conversions = conversions;
    this.#view = view;
    const parents = ({ spec, metadata }: AnyRoute): readonly string[] =>
      listenerParents(spec.parentRefs, metadata.namespace);
    this.#http = objects.HTTPRoute.index('by-gateway', parents);
    this.#grpc = objects.GRPCRoute.index('by-gateway', parents);
    this.#tls = objects.TLSRoute.index('by-gateway', parents);
    this.#tcp = objects.TCPRoute.index('by-gateway', parents);
  }

  plan(at: L7Gateway, reads: MeshReads): GatewayPlan {
    const planned = this.#listeners.of(at.key, reads);
    const { listeners, sets } = planned;
    const found = {
      http: this.#attached(this.#http, at, planned, reads),
      grpc: this.#attached(this.#grpc, at, planned, reads),
      tls: this.#attached(this.#tls, at, planned, reads),
      tcp: this.#attached(this.#tcp, at, planned, reads),
    };
    const all = [...found.http, ...found.grpc, ...found.tls, ...found.tcp];
    const services = this.#view.services(reads);
    const rankedOf = (resource: HTTPRoute | GRPCRoute): readonly RankedRoute[] =>
      this.#conversions.of(resource, 'gateway', reads).ranked;
    const ports = [...new Set(listeners.filter(({ isServed }) => isServed).map(({ listener }) => listener.port))];
    const servers = ports
      .toSorted((a, b) => a - b)
      .map((port) => {
        const own = listeners.filter(({ listener, isServed }) => isServed && listener.port === port);
        const message = create(proxy.ServerSchema, {
          port,
          listeners: own.map((one) => ({
            name: serverListenerName(one),
            protocol: protocolOf(one),
            hostname: (one.listener.hostname ?? '').toLowerCase(),
            ...(one.certificates === undefined ? {} : { tls: tlsOf(one.certificates, one.ciphers) }),
            hosts: virtualHosts(one, [...found.http, ...found.grpc], rankedOf),
            tcpRoutes: [...tcpRoutes(one, found.tls, found.tcp, services)],
          })),
        });
        return plannedServer(at.key, message);
      });
    const reports = listeners.map((one) => ({
      planned: one,
      attachedRoutes: all.filter(({ attachments }) => attachments.some(({ listener }) => listener === one)).length,
    }));
    return {
      servers,
      listeners: reports,
      sets,
      deploymentProblem: reads.get(this.#objects.deploymentProblems, at.key),
      backendCertificateProblem: planned.backendCertificateProblem,
    };
  }

  /** Routes that some listener takes, oldest first. */
  #attached<T extends AnyRoute>(
    index: Index<T>,
    at: L7Gateway,
    { listeners, sets }: { readonly listeners: readonly PlannedListener[]; readonly sets: readonly JudgedSet[] },
    reads: MeshReads,
  ): readonly AttachedRoute<T>[] {
    const labelsOf = (namespace: string): Labels => this.#view.namespaceLabels(reads, namespace);
    const parents = [
      at.key,
      ...sets.map(({ set }) => listenerSetParentKey(`${set.metadata.namespace}/${set.metadata.name}`)),
    ];
    const resources = new Set(parents.flatMap((parent) => reads.lookup(index, parent)));
    return [...resources]
      .toSorted((a, b) => compareAge(a.metadata, b.metadata))
      .flatMap((resource) => {
        const attachments = resource.spec.parentRefs.flatMap((ref) => {
          const parent = parentOf(ref, resource.metadata.namespace);
          const isListener = parent.kind === 'gateway' || parent.kind === 'listener-set';
          return isListener ? attachRoute(resource, ref, parent, listeners, labelsOf).attachments : [];
        });
        return attachments.length === 0 ? [] : [{ resource, attachments }];
      });
  }
}

/** Names are unique within their owner only. */
function serverListenerName({ owner, listener }: PlannedListener): string {
  return owner.kind === 'Gateway' ? listener.name : `${owner.namespace}/${owner.name}/${listener.name}`;
}

const { SERVER_HTTP, SERVER_HTTPS, SERVER_TLS_PASSTHROUGH, SERVER_TLS_TERMINATE, SERVER_TCP } =
  proxy.ServerListener_ServerProtocol;

function protocolOf({ listener }: PlannedListener): proxy.ServerListener_ServerProtocol {
  switch (listener.protocol) {
    case 'HTTP':
      return SERVER_HTTP;
    case 'HTTPS':
      return SERVER_HTTPS;
    case 'TLS':
      return listener.tls?.mode === 'Passthrough' ? SERVER_TLS_PASSTHROUGH : SERVER_TLS_TERMINATE;
    default:
      return SERVER_TCP;
  }
}

const { NOT_ASKED, REQUIRED, OPTIONAL } = proxy.ServerTls_ClientCertificate;
const clientCertificates = { none: NOT_ASKED, required: REQUIRED, optional: OPTIONAL } as const;

function tlsOf(
  { keyPairs, clients, rootsPem, revocationsPem }: ListenerCertificates,
  { suites }: CipherChoice,
): proxy.ServerTls {
  const bytes = (pem: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(pem, 'utf8'));
  return create(proxy.ServerTlsSchema, {
    keyPairs: keyPairs.map(({ chainPem, keyPem }) => ({
      certificateChainPem: bytes(chainPem),
      privateKeyPem: bytes(keyPem),
    })),
    clientCertificate: clientCertificates[clients],
    clientRootsPem: bytes(rootsPem),
    clientRevocationsPem: bytes(revocationsPem),
    cipherSuites: [...suites],
  });
}

/** Each host name with the routes of all kinds that serve it, in order of precedence. */
function virtualHosts(
  planned: PlannedListener,
  attached: readonly AttachedRoute<HTTPRoute | GRPCRoute>[],
  rankedOf: (resource: HTTPRoute | GRPCRoute) => readonly RankedRoute[],
): proxy.VirtualHost[] {
  const byHost = new Map<string, (HTTPRoute | GRPCRoute)[]>();
  for (const { resource, attachments } of attached) {
    const hostnames = new Set(
      attachments.flatMap(({ listener, hostnames: names }) => (listener === planned ? names : [])),
    );
    for (const hostname of hostnames) {
      const own = byHost.get(hostname);
      if (own === undefined) byHost.set(hostname, [resource]);
      else own.push(resource);
    }
  }
  return [...byHost]
    .toSorted(([a], [b]) => compareText(a, b))
    .map(([hostname, resources]) => {
      const sorted = resources.toSorted(
        (a, b) =>
          compareText(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
          compareText(a.metadata.namespace, b.metadata.namespace) ||
          compareText(a.metadata.name, b.metadata.name),
      );
      const ranked = sorted.flatMap(rankedOf);
      const routes = inPrecedence(ranked).map((message) => onPort(message, planned.listener.port));
      return create(proxy.VirtualHostSchema, { hostname, routes });
    });
}

/** TLSRoutes by server name, and the oldest TCPRoute. */
function tcpRoutes(
  planned: PlannedListener,
  tls: readonly AttachedRoute<TLSRoute>[],
  tcp: readonly AttachedRoute<TCPRoute>[],
  view: ServiceView,
): readonly route.TcpRoute[] {
  const surroundings = { view, place: 'gateway', problems: [] } as const;
  const isOwn = ({ listener }: Attachment): boolean => listener === planned;
  const ofTls = tls.flatMap(({ resource, attachments }) => {
    const names = attachments.filter(isOwn).flatMap(({ hostnames }) => hostnames);
    return names.length === 0
      ? []
      : streamRoutes(resource, { ...surroundings, problems: [] }, names.includes('') ? [] : [...new Set(names)]);
  });
  const [oldest] = tcp.filter(({ attachments }) => attachments.some(isOwn));
  return oldest === undefined ? ofTls : [...ofTls, ...streamRoutes(oldest.resource, { ...surroundings, problems: [] })];
}

function plannedServer(gateway: string, message: proxy.Server): PlannedServer {
  const backends = message.listeners.flatMap(({ hosts, tcpRoutes: streams }) => [
    ...hosts.flatMap(({ routes }) => httpBackends(routes)),
    ...streamBackends(streams),
  ]);
  return {
    name: `${gateway}/${message.port}`,
    gateway,
    message,
    bytes: toBinary(proxy.ServerSchema, message),
    backends: [...new Set(backends)].toSorted(compareText),
  };
}
