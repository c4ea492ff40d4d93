/** A service as one L7 proxy sees it. Spec: docs/architecture/waypoint.md. */
import { proxy, type route, type traffic } from '@ambit/api';
import { type Collection, compareText } from '@ambit/collections';
import { create, toBinary } from '@bufbuild/protobuf';
import type { MeshPort, MeshService } from '../derive/mesh-service.ts';
import type { AccessRuleFinder } from './access-rules.ts';
import type { BackendTlsFinder } from './backend-tls.ts';
import type { DestinationRules, HostRules } from './destination-rules.ts';
import type { ListenerFinder } from './gateway-listeners.ts';
import { destinationName, type L7Gateway, proxyLabels } from './l7-gateway.ts';
import type { MeshView } from './mesh-view.ts';
import type { MeshReads } from '../derive/mesh-reads.ts';
import type { ServiceRoutes } from './service-routes.ts';
import type { MeshObjects } from '../derive/mesh-objects.ts';
import type { RateLimitFinder } from './rate-limits.ts';
import { labelSubset, membersKey, type SubsetMembers } from './subset-members.ts';
import type { TelemetryFinder } from './telemetry-settings.ts';
import { partsForPort, partsForSubset, trafficPolicy, type TrafficSurroundings } from './traffic-policy.ts';

/** A Destination as it is sent. */
export interface PlannedDestination {
  /** Resource name. */
  readonly name: string;
  /** Key of the gateway. */
  readonly gateway: string;
  readonly message: proxy.Destination;
  readonly bytes: Uint8Array;
  /** Keys of the services its routes refer to, sorted. */
  readonly backends: readonly string[];
}

export interface DestinationParts {
  readonly view: MeshView;
  readonly listeners: ListenerFinder;
  readonly rules: DestinationRules;
  readonly routes: ServiceRoutes;
  readonly access: AccessRuleFinder;
  readonly tls: BackendTlsFinder;
  readonly members: Collection<SubsetMembers>;
  readonly limits: RateLimitFinder;
  readonly telemetry: TelemetryFinder;
  readonly objects: MeshObjects;
}

const { AUTO, HTTP, HTTP2, GRPC, GRPC_WEB, TCP, TLS } = proxy.Protocol;

const protocols: Readonly<Record<Exclude<MeshPort['protocol'], 'udp'>, proxy.Protocol>> = {
  auto: AUTO,
  http: HTTP,
  http2: HTTP2,
  grpc: GRPC,
  'grpc-web': GRPC_WEB,
  tcp: TCP,
  tls: TLS,
};

/** Plans the Destinations of gateways. */
export class DestinationPlanner {
  readonly #parts: DestinationParts;

  constructor(parts: DestinationParts) {
    this.#parts = parts;
  }

  /** `served`: the gateway is the waypoint of the service; else it only sends requests there. */
  plan(service: MeshService, at: L7Gateway, served: boolean, reads: MeshReads): PlannedDestination {
    const { candidate } = service;
    const { rules, access, limits, telemetry } = this.#parts;
    const found = rules.rulesFor(reads, at, candidate);
    const accessRules = served ? access.ofService(reads, candidate) : undefined;
    const { source, namespace, name } = candidate;
    const told = served ? telemetry.ofService(reads, at, candidate) : undefined;
    const destination = create(proxy.DestinationSchema, {
      namespace: candidate.namespace,
      hostname: candidate.hostname,
      served,
      ports: candidate.ports.flatMap((port) => this.#port(service, port, at, served, found, reads) ?? []),
      ...(accessRules === undefined ? {} : { access: accessRules }),
      rateLimits: served ? limits.of(reads, source, namespace, name) : [],
      ...(told === undefined ? {} : { telemetry: told }),
      subsets: found.subsets.map((subset) => {
        const policyOn = (port: number): traffic.TrafficPolicy | undefined =>
          trafficPolicy(
            partsForSubset(found.policy, subset.policy, port),
            subset.policy,
            this.#surroundings(service, port, at, found, reads),
          );
        return subsetMessage(
          subset.name,
          reads.get(this.#parts.members, membersKey(subset.rule, subset.name, service.key))?.uids ?? [],
          candidate.ports.map(({ servicePort }) => [servicePort, policyOn(servicePort)]),
        );
      }),
    });
    return plannedDestination(service.key, at.key, destination);
  }

  #port(
    service: MeshService,
    port: MeshPort,
    at: L7Gateway,
    served: boolean,
    found: HostRules,
    reads: MeshReads,
  ): proxy.DestinationPort | undefined {
    const { protocol, servicePort, name } = port;
    if (protocol === 'udp') return undefined;
    const { view, rules, routes } = this.#parts;
    const routesOfPort = served
      ? routes.routesOf(service, port, {
          reads,
          at,
          services: view.services(reads),
          hosts: view.hosts(reads, at, rules),
        })
      : undefined;
    const policy = trafficPolicy(
      partsForPort(found.policy, servicePort),
      found.policy,
      this.#surroundings(service, servicePort, at, found, reads),
    );
    return create(proxy.DestinationPortSchema, {
      port: servicePort,
      name: name ?? '',
      protocol: protocols[protocol],
      httpRoutes: [...(routesOfPort?.http ?? [])],
      noMatchIsError: routesOfPort?.hasHttp ?? false,
      tcpRoutes: [...(routesOfPort?.tcp ?? [])],
      ...(policy === undefined ? {} : { traffic: policy }),
    });
  }

  #surroundings(
    service: MeshService,
    port: number,
    at: L7Gateway,
    found: HostRules,
    reads: MeshReads,
  ): TrafficSurroundings {
    const { members, objects } = this.#parts;
    return {
      loadBalancing: service.message.loadBalancing,
      backendTls: this.#tls(service, port, at, reads),
      membersOf: (label) =>
        reads.get(members, membersKey(found.policyRule, labelSubset(label), service.key))?.uids ?? [],
      proxyLabels: proxyLabels(at),
      proxyRole: at.role,
      subjectAltNames: service.message.subjectAltNames,
      credential: (name) => reads.get(objects.Secret, `${at.gateway.metadata.namespace}/${name}`),
    };
  }

  #tls({ candidate }: MeshService, port: number, at: L7Gateway, reads: MeshReads): traffic.BackendTls | undefined {
    const name = candidate.ports.find(({ servicePort }) => servicePort === port)?.name;
    return this.#parts.tls.tlsOf(reads, candidate, name, this.#parts.listeners.of(at.key, reads).backendCertificate);
  }
}

/** What most ports share is said once. */
function subsetMessage(
  name: string,
  uids: readonly string[],
  policies: readonly (readonly [port: number, policy: traffic.TrafficPolicy | undefined])[],
): proxy.Subset {
  const [first] = policies;
  const common = first?.[1];
  return create(proxy.SubsetSchema, {
    name,
    workloadUids: [...uids],
    ...(common === undefined ? {} : { traffic: common }),
    portTraffic: policies
      .filter(([, policy]) => JSON.stringify(policy, replaceBigint) !== JSON.stringify(common, replaceBigint))
      .map(([port, policy]) => ({ port, ...(policy === undefined ? {} : { traffic: policy }) })),
  });
}

function replaceBigint(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

function plannedDestination(serviceKey: string, gateway: string, message: proxy.Destination): PlannedDestination {
  const backends = message.ports.flatMap(({ httpRoutes, tcpRoutes }) => [
    ...httpBackends(httpRoutes),
    ...streamBackends(tcpRoutes),
  ]);
  return {
    name: destinationName(gateway, serviceKey),
    gateway,
    message,
    bytes: toBinary(proxy.DestinationSchema, message),
    backends: [...new Set(backends)].toSorted(compareText),
  };
}

/** Keys of the services that routes send requests or copies to. */
export function httpBackends(routes: readonly route.HttpRoute[]): readonly string[] {
  return routes.flatMap(({ action, mirrors }) => [
    ...(action.case === 'forward' ? weightedKeys(action.value.backends) : []),
    ...mirrors.flatMap(({ backend }) => (backend === undefined ? [] : [serviceKeyOf(backend)])),
  ]);
}

/** Keys of the services that connections are sent to. */
export function streamBackends(routes: readonly route.TcpRoute[]): readonly string[] {
  return routes.flatMap(({ backends }) => weightedKeys(backends));
}

function weightedKeys(backends: readonly route.WeightedBackend[]): readonly string[] {
  return backends.flatMap(({ target }) => (target.case === 'backend' ? [serviceKeyOf(target.value)] : []));
}

function serviceKeyOf({ namespace, hostname }: route.BackendRef): string {
  return `${namespace}/${hostname}`;
}
