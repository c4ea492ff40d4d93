import { type Collection, compareText, derive, type Graph, type Index } from '@ambit/collections';
import type { Gateway, Labels, Namespace, Pod } from '@ambit/kube';
import { workloadEntryLabels } from './entry-workload.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import type { GoverningPolicies } from './governing-policies.ts';
import type { MeshReads } from './mesh-reads.ts';
import type { MeshSources } from './mesh-sources.ts';
import { gatewayNameLabel, gatewayWaypoint, type Waypoint } from './waypoint.ts';
import { pastWaypoint, type WaypointLookup } from './waypoint-binding.ts';

/** What a namespace says about waypoints; only namespaces that say something have one. */
interface NamespaceDefaults {
  readonly namespace: string;
  readonly labels: Labels;
  readonly annotations: Labels;
}

/** Who comes from a waypoint. */
interface WaypointAccounts {
  /** `namespace/name` of the waypoint. */
  readonly key: string;
  /** Service accounts of its instances, sorted. */
  readonly accounts: readonly string[];
}

/** All waypoints, and what namespaces say about them. */
export class WaypointDirectory {
  /** By `namespace/name`. */
  readonly waypoints: Collection<Waypoint>;
  readonly #sources: MeshSources;
  readonly #defaults: Collection<NamespaceDefaults>;
  readonly #governing: GoverningPolicies;
  readonly #accounts: Collection<WaypointAccounts>;
  readonly #settings: MeshSettings;

  constructor(
    graph: Graph,
    sources: MeshSources,
    governing: GoverningPolicies,
    network: Collection<string>,
    settings: MeshSettings,
  ) {
    this.#sources = sources;
    this.#settings = settings;
    this.#governing = governing;
    const pods = sources.Pod.index('by-gateway', ({ metadata }) => instanceKeys(metadata.namespace, metadata.labels));
    this.waypoints = derive<Gateway, Waypoint>(graph, {
      name: 'waypoints',
      from: sources.Gateway,
      keyOf: (waypoint) => waypoint.key,
      transform: (gateway, context) => {
        const { namespace, name } = gateway.metadata;
        const gatewayClass = context.get(sources.GatewayClass, gateway.spec.gatewayClassName);
        const accounts = settings.allowsOnlyWaypoints ? podAccounts(context, pods, `${namespace}/${name}`) : [];
        const waypoint = gatewayWaypoint(gateway, gatewayClass, accounts, context.get(network, '') ?? '');
        return waypoint === undefined ? [] : [waypoint];
      },
    });
    const entries = sources.WorkloadEntry.index('by-gateway', (entry) =>
      instanceKeys(entry.metadata.namespace, workloadEntryLabels(entry)),
    );
    // A collection of its own, so that a new account touches policies only, not services and their pods.
    this.#accounts = derive<Waypoint, WaypointAccounts>(graph, {
      name: 'waypoint-accounts',
      from: this.waypoints,
      keyOf: ({ key }) => key,
      transform: ({ key }, context) => {
        if (!settings.refusesPastWaypoint) return [];
        const ofEntries = context.lookup(entries, key).map(({ spec }) => spec.serviceAccount ?? 'default');
        return [
          { key, accounts: [...new Set([...podAccounts(context, pods, key), ...ofEntries])].toSorted(compareText) },
        ];
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

  /** Service accounts of the instances of a waypoint, sorted; only known when its services refuse who comes past it. */
  accountsOf(reads: MeshReads, key: string): readonly string[] {
    return reads.get(this.#accounts, key)?.accounts ?? [];
  }

  /** Look-ups through the reads of one derivation, or through `presentReads`. */
  lookup(context: MeshReads): WaypointLookup {
    return {
      waypoint: (key) => context.get(this.waypoints, key),
      defaultsOf: (namespace) => context.get(this.#defaults, namespace),
      labelsOf: (namespace) => context.get(this.#sources.Namespace, namespace)?.metadata.labels ?? {},
      policyLost: (service, waypoint) =>
        this.#settings.refusesWithoutWaypoint ? this.#governing.of(context, service, waypoint) : undefined,
      policyPassed: (service, waypoint) =>
        this.#settings.refusesPastWaypoint ? this.#governing.of(context, service, waypoint) : undefined,
    };
  }
}

function instanceKeys(namespace: string, labels: Labels): readonly string[] {
  const name = labels[gatewayNameLabel];
  return name === undefined || name === '' ? [] : [`${namespace}/${name}`];
}

function podAccounts(reads: MeshReads, pods: Index<Pod>, key: string): readonly string[] {
  const accounts = new Set(reads.lookup(pods, key).map((pod) => pod.spec.serviceAccountName));
  return [...accounts].toSorted(compareText);
}

function aboutWaypoints(entries: Labels): Labels {
  return Object.fromEntries(
    Object.entries(entries).filter(
      ([key]) => (key.startsWith('istio.io/') && key.includes('use-waypoint')) || key === pastWaypoint,
    ),
  );
}
