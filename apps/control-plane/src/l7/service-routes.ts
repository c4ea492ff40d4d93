/**
 * Routes of one port of a service at a waypoint, of all kinds, in the order in which they are looked at.
 * Spec: l7.md sections 1.9 and 3.1.
 */
import type { route } from '@ambit/api';
import { compareText, type Index } from '@ambit/collections';
import type { GRPCRoute, HTTPRoute, ParentRef, TCPRoute, TLSRoute, VirtualService } from '@ambit/kube';
import { type Age, compareAge } from '../derive/age-order.ts';
import type { MeshReads } from '../derive/mesh-reads.ts';
import type { MeshPort, MeshService } from '../derive/mesh-service.ts';
import type { MeshObjects } from '../derive/mesh-objects.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import type { ServiceView } from './backend-lookup.ts';
import { withDelegates } from './delegate-routes.ts';
import { fullHost, hostPatterns, isExportedTo } from './host-names.ts';
import type { L7Gateway } from './l7-gateway.ts';
import { onPort, type RouteConversions } from './route-conversion.ts';
import { parentOf, serviceParentKey, serviceParents } from './route-parents.ts';
import { inPrecedence } from './route-rank.ts';
import { streamRoutes } from './stream-routes.ts';
import type { DestinationScope, HostView } from './virtual-service-destination.ts';
import { isForGateway } from './virtual-service-matches.ts';
import { virtualServiceRoutes } from './virtual-service-routes.ts';
import { virtualServiceStreams } from './virtual-service-streams.ts';

/** What routes of a service are found with, in one derivation. */
export interface RouteReads {
  readonly reads: MeshReads;
  readonly at: L7Gateway;
  readonly services: ServiceView;
  readonly hosts: HostView;
}

/** Routes of one port. */
export interface PortRoutes {
  readonly http: readonly route.HttpRoute[];
  /** Somebody routes this port, so a request that nothing matches has no destination. */
  readonly hasHttp: boolean;
  readonly tcp: readonly route.TcpRoute[];
}

/** Routes of one origin, with the age that decides which origin comes first. */
interface Piece {
  readonly age: Age;
  readonly routes: readonly route.HttpRoute[];
}

type AttachedRoute = HTTPRoute | GRPCRoute | TLSRoute | TCPRoute;

/** Finds the routes of services. */
export class ServiceRoutes {
  readonly #settings: MeshSettings;
  readonly #objects: MeshObjects;
  readonly #conversions: RouteConversions;
  readonly #http: Index<HTTPRoute>;
  readonly #grpc: Index<GRPCRoute>;
  readonly #tls: Index<TLSRoute>;
  readonly #tcp: Index<TCPRoute>;
  readonly #virtual: Index<VirtualService>;

  constructor(objects: MeshObjects, conversions: RouteConversions, settings: MeshSettings) {
    this.#settings = settings;
    this.#objects = objects;
    this.#conversions = conversions;
    const parents = ({ spec, metadata }: AttachedRoute): readonly string[] =>
      serviceParents(spec.parentRefs, metadata.namespace);
    this.#http = objects.HTTPRoute.index('by-service', parents);
    this.#grpc = objects.GRPCRoute.index('by-service', parents);
    this.#tls = objects.TLSRoute.index('by-service', parents);
    this.#tcp = objects.TCPRoute.index('by-service', parents);
    this.#virtual = objects.VirtualService.index('by-host', ({ spec, metadata }) => [
      ...new Set(spec.hosts.map((host) => fullHost(host, metadata.namespace, settings))),
    ]);
  }

  routesOf(service: MeshService, port: MeshPort, found: RouteReads): PortRoutes {
    const { protocol } = port;
    const isHttp = protocol !== 'tcp' && protocol !== 'tls' && protocol !== 'udp';
    const isStream = protocol === 'tcp' || protocol === 'tls' || protocol === 'auto';
    const virtual = this.#virtualServices(service, found);
    const pieces = isHttp
      ? [...this.#gatewayApiPieces(service, port, found), ...this.#virtualPieces(virtual, port, found)].toSorted(
          (a, b) => compareAge(a.age, b.age),
        )
      : [];
    return {
      http: pieces.flatMap(({ routes }) => routes),
      hasHttp: pieces.some(({ routes }) => routes.length > 0),
      tcp: isStream ? this.#streams(service, port, virtual, found) : [],
    };
  }

  /** Routes of one namespace, and of one way to name the port, are one piece in order of precedence. */
  #gatewayApiPieces(service: MeshService, port: MeshPort, found: RouteReads): readonly Piece[] {
    const attached = [...this.#attached(this.#http, service, found), ...this.#attached(this.#grpc, service, found)];
    const groups = new Map<string, (HTTPRoute | GRPCRoute)[]>();
    for (const resource of attached) {
      for (const isNarrow of narrowness(resource, service, port)) {
        const key = `${resource.metadata.namespace}|${isNarrow ? 'port' : ''}`;
        const group = groups.get(key);
        if (group === undefined) groups.set(key, [resource]);
        else group.push(resource);
      }
    }
    return [...groups.values()].flatMap((resources) => {
      const sorted = resources.toSorted((a, b) => compareAge(a.metadata, b.metadata) || compareText(a.kind, b.kind));
      const [oldest] = sorted;
      if (oldest === undefined) return [];
      const ranked = sorted.flatMap((resource) => this.#conversions.of(resource, 'mesh', found.reads).ranked);
      const routes = inPrecedence(ranked).map((message) => onPort(message, port.servicePort));
      return [{ age: oldest.metadata, routes }];
    });
  }

  #virtualPieces(virtual: readonly VirtualService[], port: MeshPort, found: RouteReads): readonly Piece[] {
    const place = this.#place(port, found);
    return virtual.map((resource) => {
      const rules = withDelegates(resource, (key) => {
        const delegate = found.reads.get(this.#objects.VirtualService, key);
        const { namespace } = resource.metadata;
        const isSeen =
          delegate !== undefined && isExportedTo(delegate.spec.exportTo, delegate.metadata.namespace, namespace);
        return isSeen ? delegate : undefined;
      });
      const scope = this.#scope(resource, port, found);
      return { age: resource.metadata, routes: virtualServiceRoutes(resource, rules, place, scope) };
    });
  }

  #streams(
    service: MeshService,
    port: MeshPort,
    virtual: readonly VirtualService[],
    found: RouteReads,
  ): readonly route.TcpRoute[] {
    const byAge = (a: AttachedRoute, b: AttachedRoute): number => compareAge(a.metadata, b.metadata);
    const isOfPort = (resource: AttachedRoute): boolean => narrowness(resource, service, port).length > 0;
    const tls = this.#attached(this.#tls, service, found).filter(isOfPort).toSorted(byAge);
    const tcp = this.#attached(this.#tcp, service, found).filter(isOfPort).toSorted(byAge);
    const surroundings = { view: found.services, place: 'mesh', problems: [] } as const;
    const place = this.#place(port, found);
    const sorted = virtual.toSorted((a, b) => compareAge(a.metadata, b.metadata));
    const ofVirtual = (kind: 'tls' | 'tcp'): readonly route.TcpRoute[] =>
      sorted.flatMap((resource) =>
        virtualServiceStreams(resource, kind, service.candidate.hostname, place, this.#scope(resource, port, found)),
      );
    return [
      ...ofVirtual('tls'),
      ...tls.flatMap((resource) => streamRoutes(resource, { ...surroundings, problems: [] })),
      ...ofVirtual('tcp'),
      ...tcp.slice(0, 1).flatMap((resource) => streamRoutes(resource, { ...surroundings, problems: [] })),
    ];
  }

  /** Routes of the service's own namespace, and of the waypoint's; others would be for their own clients only. */
  #attached<T extends AttachedRoute>(index: Index<T>, { candidate }: MeshService, found: RouteReads): readonly T[] {
    const { source, namespace, name } = candidate;
    return found.reads
      .lookup(index, serviceParentKey(source, `${namespace}/${name}`))
      .filter(({ metadata }) => isProducer(metadata.namespace, namespace, found.at));
  }

  /** VirtualServices for the host in the mesh, of the service's or the waypoint's namespace. */
  #virtualServices({ candidate }: MeshService, { reads, at }: RouteReads): readonly VirtualService[] {
    const own = at.gateway.metadata.namespace;
    const found = hostPatterns(candidate.hostname).flatMap((pattern) => reads.lookup(this.#virtual, pattern));
    return [...new Set(found)].filter(({ metadata, spec }) => {
      if (!isProducer(metadata.namespace, candidate.namespace, at)) return false;
      return (
        isForGateway(spec.gateways, metadata.namespace, { gateway: 'mesh' }) &&
        isExportedTo(spec.exportTo, metadata.namespace, own)
      );
    });
  }

  #place({ servicePort }: MeshPort, { at }: RouteReads): { gateway: string; port: number; proxyNamespace: string } {
    return { gateway: 'mesh', port: servicePort, proxyNamespace: at.gateway.metadata.namespace };
  }

  #scope({ metadata }: VirtualService, { servicePort }: MeshPort, { hosts }: RouteReads): DestinationScope {
    return { view: hosts, namespace: metadata.namespace, listenerPort: servicePort, settings: this.#settings };
  }
}

/** True when a route of `namespace` acts for everybody who calls a service of `owner`. */
function isProducer(namespace: string, owner: string, { gateway }: L7Gateway): boolean {
  return namespace === owner || namespace === gateway.metadata.namespace;
}

/** Which of the route's references to the service are for a port: `false` for all ports, `true` for this one. */
function narrowness(resource: AttachedRoute, { candidate }: MeshService, port: MeshPort): readonly boolean[] {
  const own = serviceParentKey(candidate.source, `${candidate.namespace}/${candidate.name}`);
  const kinds = resource.spec.parentRefs.flatMap((ref) => {
    const parent = parentOf(ref, resource.metadata.namespace);
    if (parent.kind !== 'service' || serviceParentKey(parent.source, parent.key) !== own) return [];
    return namesPort(ref, port) ? [ref.port !== undefined || ref.sectionName !== undefined] : [];
  });
  return [...new Set(kinds)];
}

/** True when a reference to a service includes one of its ports. */
export function namesPort(ref: ParentRef, port: Pick<MeshPort, 'servicePort' | 'name'>): boolean {
  if (ref.port !== undefined && ref.port !== port.servicePort) return false;
  return ref.sectionName === undefined || ref.sectionName === port.name;
}
