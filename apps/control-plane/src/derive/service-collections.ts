import { type Collection, derive, type Graph, join } from '@ambit/collections';
import { workload } from '@ambit/api';
import type { MeshSettings } from '../mesh-settings.ts';
import { compareAge } from './age-order.ts';
import { isMeshService, kubernetesService } from './kubernetes-service.ts';
import { candidateKey, type MeshService, meshService, type ServiceCandidate, serviceKey } from './mesh-service.ts';
import type { MeshSources } from './mesh-sources.ts';
import { haveSameBytes } from './mesh-workload.ts';
import { SelectorIndex } from './selector-index.ts';
import { bindEntry, serviceEntryServices } from './service-entry-services.ts';
import { serviceEntryVisibility } from './service-visibility.ts';
import { bindService } from './waypoint-binding.ts';
import type { WaypointDirectory } from './waypoint-directory.ts';

/** Services as they are sent, and ways to find them. */
export interface ServiceCollections {
  /** By `namespace/hostname`. */
  readonly services: Collection<MeshService>;
  /** Services with a selector. */
  readonly bySelector: SelectorIndex<MeshService>;
}

interface Inputs {
  readonly sources: MeshSources;
  /** See `meshNetwork`. */
  readonly network: Collection<string>;
  readonly waypoints: WaypointDirectory;
  readonly settings: MeshSettings;
}

export function serviceCollections(graph: Graph, inputs: Inputs): ServiceCollections {
  const { sources, network, waypoints, settings } = inputs;
  const fromServices = derive(graph, {
    name: 'service-candidates',
    from: sources.Service,
    keyOf: candidateKey,
    transform: (service, context) => {
      if (!isMeshService(service)) return [];
      const namespace = context.get(sources.Namespace, service.metadata.namespace);
      const binding = bindService(service, waypoints.lookup(context));
      return [kubernetesService(service, namespace, context.get(network, '') ?? '', binding, settings)];
    },
  });
  const fromEntries = derive(graph, {
    name: 'service-entry-candidates',
    from: sources.ServiceEntry,
    keyOf: candidateKey,
    transform: (entry, context) => {
      const { namespace, name } = entry.metadata;
      const allocated = context.get(sources.allocations, `${namespace}/${name}`)?.addresses ?? [];
      const owner = context.get(sources.Namespace, namespace);
      const visibility = serviceEntryVisibility(settings, owner?.metadata.labels ?? {});
      if (visibility === 'NONE') return [];
      const binding = bindEntry(entry, waypoints.lookup(context), visibility === 'NAMESPACE');
      return serviceEntryServices(entry, allocated, owner, context.get(network, '') ?? '', binding, visibility);
    },
  });
  const candidates = join<ServiceCandidate>(graph, 'candidates', [fromServices, fromEntries]);
  const services = winners(graph, candidates);
  const bySelector = new SelectorIndex(graph, services, ({ candidate: { namespace, selector } }) =>
    Object.keys(selector).length === 0 ? undefined : { namespace, labels: selector },
  );
  return { services, bySelector };
}

/**
 * Of several definitions of a host name in one namespace one is sent; of those in several namespaces all are, and one
 * is canonical. Spec: control-plane.md section 3.5, one hostname, many definitions.
 */
function winners(graph: Graph, candidates: Collection<ServiceCandidate>): Collection<MeshService> {
  const byKey = candidates.index('by-key', (candidate) => [serviceKey(candidate)]);
  const keys = derive<ServiceCandidate, string>(graph, {
    name: 'service-keys',
    from: candidates,
    keyOf: (key) => key,
    transform: (candidate) => [serviceKey(candidate)],
  });
  const chosen = derive<string, ServiceCandidate>(graph, {
    name: 'chosen-candidates',
    from: keys,
    keyOf: serviceKey,
    transform: (key, context) => context.lookup(byKey, key).toSorted(comparePrecedence).slice(0, 1),
  });
  const byHostname = chosen.index('by-hostname', (candidate) => [candidate.hostname]);
  return derive<ServiceCandidate, MeshService>(graph, {
    name: 'services',
    from: chosen,
    keyOf: (service) => service.key,
    transform: (candidate, context) => {
      const [canonical] = context
        .lookup(byHostname, candidate.hostname)
        .filter(mayBeCanonical)
        .toSorted(comparePrecedence);
      return [meshService(candidate, canonical !== undefined && candidateKey(canonical) === candidateKey(candidate))];
    },
    isEqual: (a, b) => haveSameBytes(a, b) && a.candidate === b.candidate,
  });
}

/** What only its namespace sees cannot be what everybody else means by the name. */
function mayBeCanonical({ message }: ServiceCandidate): boolean {
  return message.visibility !== workload.Service_Visibility.NAMESPACE;
}

/** Kubernetes Services before ServiceEntries, then the oldest. */
function comparePrecedence(a: ServiceCandidate, b: ServiceCandidate): number {
  if (a.source !== b.source) return a.source === 'Service' ? -1 : 1;
  return compareAge(a, b);
}
