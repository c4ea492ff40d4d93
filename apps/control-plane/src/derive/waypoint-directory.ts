import { type Collection, compareText, derive, type Graph } from '@ambit/collections';
import type { Gateway, Labels, Namespace, Pod } from '@ambit/kube';
import type { MeshSettings } from '../mesh-settings.ts';
import { GoverningPolicies } from './governing-policies.ts';
import type { MeshReads } from './mesh-reads.ts';
import type { MeshSources } from './mesh-sources.ts';
import { gatewayNameLabel, gatewayWaypoint, type Waypoint } from './waypoint.ts';
import type { WaypointLookup } from './waypoint-binding.ts';

/** What a namespace says about waypoints; only namespaces that say something have one. */
interface NamespaceDefaults {
  readonly namespace: string;
  readonly labels: Labels;
  readonly annotations: Labels;
}

/** All waypoints, and what namespaces say about them. */
export class WaypointDirectory {
  /** By `namespace/name`. */
  readonly waypoints: Collection<Waypoint>;
  readonly #sources: MeshSources;
  readonly #defaults: Collection<NamespaceDefaults>;
  /** Undefined: services are called without a waypoint that is missing, whatever policies say. */
  readonly #governing: GoverningPolicies | undefined;

  constructor(graph: Graph, sources: MeshSources, network: Collection<string>, settings: MeshSettings) {
    this.#sources = sources;
    this.#governing = settings.refusesWithoutWaypoint ? new GoverningPolicies(sources, settings) : undefined;
    const instancesOf = (pod: Pod): readonly string[] => {
      const name = pod.metadata.labels[gatewayNameLabel];
      return name === undefined || name === '' ? [] : [`${pod.metadata.namespace}/${name}`];
    };
    const instances = settings.allowsOnlyWaypoints ? sources.Pod.index('by-gateway', instancesOf) : undefined;
    this.waypoints = derive<Gateway, Waypoint>(graph, {
      name: 'waypoints',
      from: sources.Gateway,
      keyOf: (waypoint) => waypoint.key,
      transform: (gateway, context) => {
        const { namespace, name } = gateway.metadata;
        const gatewayClass = context.get(sources.GatewayClass, gateway.spec.gatewayClassName);
        const pods = instances === undefined ? [] : context.lookup(instances, `${namespace}/${name}`);
        const accounts = new Set(pods.map((pod) => pod.spec.serviceAccountName));
        const waypoint = gatewayWaypoint(
          gateway,
          gatewayClass,
          [...accounts].toSorted(compareText),
          context.get(network, '') ?? '',
        );
        return waypoint === undefined ? [] : [waypoint];
      },
    });
    // A collection of its own, so that a change of other labels of a namespace does not touch all its pods.
    this.#defaults = derive<Namespace, NamespaceDefaults>(graph, {
      name: 'waypoint-defaults',
      from: sources.Namespace,
      keyOf: (defaults) => defaults.namespace,
      transform: ({ metadata }) => {
        const labels = aboutWaypoints(metadata.labels);
        if (Object.keys(labels).length === 0) return [];
        return [{ namespace: metadata.name, labels, annotations: aboutWaypoints(metadata.annotations) }];
      },
    });
  }

  /** Look-ups through the reads of one derivation, or through `presentReads`. */
  lookup(context: MeshReads): WaypointLookup {
    return {
      waypoint: (key) => context.get(this.waypoints, key),
      defaultsOf: (namespace) => context.get(this.#defaults, namespace),
      labelsOf: (namespace) => context.get(this.#sources.Namespace, namespace)?.metadata.labels ?? {},
      policyLost: (service, waypoint) => this.#governing?.of(context, service, waypoint),
    };
  }
}

function aboutWaypoints(entries: Labels): Labels {
  return Object.fromEntries(
    Object.entries(entries).filter(([key]) => key.startsWith('istio.io/') && key.includes('use-waypoint')),
  );
}
