import type { Collection } from '@ambit/collections';
import type { Labels, ParentRef } from '@ambit/kube';
import type { MeshReads } from '../derive/mesh-reads.ts';
import type { MeshService } from '../derive/mesh-service.ts';
import type { MeshObjects } from '../derive/mesh-objects.ts';
import { serviceHostname } from '../derive/kubernetes-service.ts';
import type { DesiredCondition } from '../derive/status-write.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import type { ListenerFinder } from './gateway-listeners.ts';
import type { L7Gateway } from './l7-gateway.ts';
import { gatewayOfSet } from './listener-owner.ts';
import { attachRoute } from './route-attachment.ts';
import type { MeshView } from './mesh-view.ts';
import type { RouteConversions } from './route-conversion.ts';
import { parentOf, type RouteParent } from './route-parents.ts';
import type { RouteProblem } from './route-problem.ts';
import { type AnyRoute, type DesiredParent, parentConditions, type ParentVerdict } from './route-status.ts';
import { namesPort } from './service-routes.ts';
import { streamRoutes } from './stream-routes.ts';

export interface RouteJudgeParts {
  readonly objects: MeshObjects;
  readonly services: Collection<MeshService>;
  readonly gateways: Collection<L7Gateway>;
  readonly view: MeshView;
  readonly listeners: ListenerFinder;
  readonly conversions: RouteConversions;
  readonly settings: MeshSettings;
}

/** Says of routes what their parents make of them. */
export class RouteJudge {
  readonly #parts: RouteJudgeParts;

  constructor(parts: RouteJudgeParts) {
    this.#parts = parts;
  }

  /** Of the parents that are ours to answer for, in the order of the spec. */
  parentsOf(route: AnyRoute, reads: MeshReads): readonly DesiredParent[] {
    return route.spec.parentRefs.flatMap((parentRef) => this.#parent(route, parentRef, reads) ?? []);
  }

  #parent(route: AnyRoute, parentRef: ParentRef, reads: MeshReads): DesiredParent | undefined {
    const { settings, gateways } = this.#parts;
    const { namespace, generation } = route.metadata;
    const parent = parentOf(parentRef, namespace);
    switch (parent.kind) {
      case 'service': {
        const [controllerName] = settings.ownControllers;
        if (controllerName === undefined) return undefined;
        const verdict = route.kind === 'UDPRoute' ? noDatagrams : this.#atService(route, parentRef, parent, reads);
        const problems = this.#problems(route, 'mesh', reads);
        return { parentRef, controllerName, conditions: parentConditions(generation, verdict, problems) };
      }
      case 'gateway':
      case 'listener-set': {
        const key = parent.kind === 'gateway' ? parent.key : this.#gatewayOfSet(parent.key, reads);
        const at = key === undefined ? undefined : reads.get(gateways, key);
        if (at === undefined || !settings.ownControllers.includes(at.controllerName)) return undefined;
        const verdict = this.#atProxy(route, parentRef, parent, at, reads);
        const problems = this.#problems(route, 'gateway', reads);
        return {
          parentRef,
          controllerName: at.controllerName,
          conditions: parentConditions(generation, verdict, problems),
        };
      }
      case 'other':
        return undefined;
    }
  }

  #gatewayOfSet(key: string, reads: MeshReads): string | undefined {
    const set = reads.get(this.#parts.objects.ListenerSet, key);
    return set === undefined ? undefined : gatewayOfSet(set);
  }

  #atProxy(
    route: AnyRoute,
    ref: ParentRef,
    parent: RouteParent & { readonly kind: 'gateway' | 'listener-set' },
    at: L7Gateway,
    reads: MeshReads,
  ): ParentVerdict {
    if (route.kind === 'UDPRoute') return noDatagrams;
    if (at.role === 'waypoint') return atWaypoint(at);
    const { listeners, view } = this.#parts;
    const labelsOf = (namespace: string): Labels => view.namespaceLabels(reads, namespace);
    return attachRoute(route, ref, parent, listeners.of(at.key, reads).listeners, labelsOf).verdict;
  }

  #atService(
    route: AnyRoute,
    ref: ParentRef,
    parent: { readonly source: 'Service' | 'ServiceEntry'; readonly key: string },
    reads: MeshReads,
  ): ParentVerdict {
    const service = this.#service(parent, reads);
    if (service === undefined) {
      return { kind: 'refused', reason: 'NoMatchingParent', message: `there is no ${parent.source} ${parent.key}` };
    }
    if (!service.candidate.ports.some((port) => namesPort(ref, port))) {
      const wanted = [ref.port, ref.sectionName].filter((part) => part !== undefined).join(' ');
      const message = `${parent.source} ${parent.key} has no port ${wanted}`;
      return { kind: 'refused', reason: 'NoMatchingParent', message };
    }
    return { kind: 'accepted', extra: [waypointCondition(route, service)] };
  }

  #service(
    { source, key }: { readonly source: string; readonly key: string },
    reads: MeshReads,
  ): MeshService | undefined {
    const { services, objects, settings } = this.#parts;
    const [namespace = '', name = ''] = key.split('/');
    if (source === 'Service') return reads.get(services, `${namespace}/${serviceHostname(name, namespace, settings)}`);
    const host = reads.get(objects.ServiceEntry, key)?.spec.hosts[0];
    return host === undefined ? undefined : reads.get(services, `${namespace}/${host}`);
  }

  /** What is wrong with the route itself; the port of requests does not matter for it. */
  #problems(route: AnyRoute, place: 'mesh' | 'gateway', reads: MeshReads): readonly RouteProblem[] {
    const { conversions, view } = this.#parts;
    if (route.kind === 'HTTPRoute' || route.kind === 'GRPCRoute') return conversions.of(route, place, reads).problems;
    if (route.kind === 'UDPRoute') return [];
    const problems: RouteProblem[] = [];
    streamRoutes(route, { view: view.services(reads), place, problems });
    return problems;
  }
}

const noDatagrams: ParentVerdict = {
  kind: 'refused',
  reason: 'UnsupportedValue',
  message: 'nothing of Ambit carries UDP: a UDPRoute has no effect',
};

/** Listeners of a waypoint take tunnels of the mesh, no routes. */
function atWaypoint({ key }: L7Gateway): ParentVerdict {
  const message = `the listeners of Gateway ${key} take no routes; for traffic of the mesh name a Service as parent`;
  return { kind: 'refused', reason: 'NotAllowedByListeners', message };
}

/** Istio has this condition always; its message tells whether anybody acts on the route. */
function waypointCondition({ metadata }: AnyRoute, { candidate }: MeshService): DesiredCondition {
  const type = 'ResolvedWaypoints';
  const { waypoint, namespace, source, name } = candidate;
  const service = `${source} ${namespace}/${name}`;
  let message = `waypoint ${waypoint?.key ?? ''} acts on it`;
  if (waypoint === undefined) {
    message = `${service} has no waypoint, so nobody acts on this route; set istio.io/use-waypoint`;
  } else if (metadata.namespace !== namespace && metadata.namespace !== waypoint.namespace) {
    message = `nobody acts on this route: it would be for clients of namespace ${metadata.namespace} only, which waypoint ${waypoint.key} cannot tell apart; put it into namespace ${namespace}`;
  }
  return { type, status: 'True', reason: 'ResolvedWaypoints', message };
}
