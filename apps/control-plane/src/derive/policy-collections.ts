import {
  type Collection,
  compareText,
  derive,
  type FetchContext,
  type Graph,
  join,
  singleton,
} from '@ambit/collections';
import { type AuthorizationPolicy, type Labels, type PeerAuthentication, resourceName } from '@ambit/kube';
import type { MeshSettings } from '../mesh-settings.ts';
import { authorizationPolicy, isSent } from './authorization-policy.ts';
import type { MeshPolicy } from './mesh-policy.ts';
import type { MeshObjects } from './mesh-objects.ts';
import { haveSameBytes } from './mesh-workload.ts';
import { oldest, portPolicy, selectsWorkloads, staticStrictPolicy } from './peer-authentication.ts';
import type { PeerLevels } from './peer-levels.ts';
import { SelectorIndex } from './selector-index.ts';
import type { Waypoint } from './waypoint.ts';
import type { WaypointDirectory } from './waypoint-directory.ts';
import { waypointPolicy } from './waypoint-policy.ts';

/** Policies as they are sent, and which of them a workload has to name. */
export interface PolicyCollections {
  /** By `namespace/name`. */
  readonly policies: Collection<MeshPolicy>;
  /** Names for `authorization_policies` of a workload. Spec: control-plane.md section 5.5. */
  namesFor(context: FetchContext, namespace: string, labels: Labels): readonly string[];
}

export function policyCollections(
  graph: Graph,
  objects: MeshObjects,
  peers: PeerLevels,
  waypoints: WaypointDirectory,
  settings: MeshSettings,
): PolicyCollections {
  const bySelector = new SelectorIndex(graph, objects.AuthorizationPolicy, (policy) => {
    const labels = policy.spec.selector?.matchLabels;
    return labels === undefined || !isSent(policy, settings)
      ? undefined
      : { namespace: policy.metadata.namespace, labels };
  });
  const authorization = derive<AuthorizationPolicy, MeshPolicy>(graph, {
    name: 'authorization-policies',
    from: objects.AuthorizationPolicy,
    keyOf: (policy) => policy.name,
    transform: (policy) => {
      const sent = authorizationPolicy(policy, settings);
      return sent === undefined ? [] : [sent];
    },
    isEqual: haveSameBytes,
  });
  const portLevel = derive<PeerAuthentication, MeshPolicy>(graph, {
    name: 'port-level-policies',
    from: objects.PeerAuthentication,
    keyOf: (policy) => policy.name,
    transform: (peer, context) => {
      const { namespace } = peer.metadata;
      if (!selectsWorkloads(peer) || namespace === settings.rootNamespace) return [];
      const sent = portPolicy(peer, peers.inherited(context, namespace));
      return sent === undefined ? [] : [sent];
    },
    isEqual: haveSameBytes,
  });
  const staticStrict = singleton<MeshPolicy>(
    graph,
    'static-strict-policy',
    (context) => {
      const because = oldest(context.all(objects.PeerAuthentication));
      return because === undefined ? undefined : staticStrictPolicy(settings.rootNamespace, because);
    },
    haveSameBytes,
  );
  const strictByName = derive<MeshPolicy, MeshPolicy>(graph, {
    name: 'static-strict-by-name',
    from: staticStrict,
    keyOf: (policy) => policy.name,
    transform: (policy) => [policy],
    isEqual: haveSameBytes,
  });
  const implied = derive<Waypoint, MeshPolicy>(graph, {
    name: 'waypoint-policies',
    from: waypoints.waypoints,
    keyOf: (policy) => policy.name,
    transform: (waypoint) => {
      const sent = waypointPolicy(waypoint, settings);
      return sent === undefined ? [] : [sent];
    },
    isEqual: haveSameBytes,
  });
  const parts = [authorization, portLevel, strictByName, implied];
  const policies = join<MeshPolicy>(graph, 'policies', parts, haveSameBytes);
  return {
    policies,
    namesFor: (context, namespace, labels) => [
      ...selectingPolicies(context, bySelector, namespace, labels, settings).toSorted(compareText),
      ...peers.policyNames(context, namespace, labels),
    ],
  };
}

function selectingPolicies(
  context: FetchContext,
  bySelector: SelectorIndex<AuthorizationPolicy>,
  namespace: string,
  labels: Labels,
  settings: MeshSettings,
): readonly string[] {
  const own = bySelector.matching(context, namespace, labels);
  const root = namespace === settings.rootNamespace ? [] : bySelector.matching(context, settings.rootNamespace, labels);
  return [...own, ...root].map(resourceName);
}
