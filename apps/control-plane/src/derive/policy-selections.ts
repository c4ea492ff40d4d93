/** Policies whose selector selects nobody at the moment: most often a misspelt label, which nothing else would tell. */
import { type Collection, derive, type FetchContext, type Graph, type Index, join } from '@ambit/collections';
import {
  type AuthorizationPolicy,
  type Labels,
  matchesLabels,
  type ObjectMeta,
  type PeerAuthentication,
  type Pod,
  resourceName,
} from '@ambit/kube';
import { l7Gateway, proxyLabels } from '../l7/l7-gateway.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import { isSent } from './authorization-policy.ts';
import { workloadEntryLabels } from './entry-workload.ts';
import type { MeshSources } from './mesh-sources.ts';
import { selectsWorkloads } from './peer-authentication.ts';
import type { DesiredCondition } from './status-write.ts';

export type SelectingPolicy = AuthorizationPolicy | PeerAuthentication;

/** One whose selector selects nobody. */
export interface EmptySelection {
  /** `kind/namespace/name`. */
  readonly key: string;
}

export interface SelectionInputs {
  readonly sources: MeshSources;
  readonly podsByNamespace: Index<Pod>;
  readonly settings: MeshSettings;
}

export function selectionKey({ kind, metadata }: SelectingPolicy): string {
  return `${kind}/${metadata.namespace}/${metadata.name}`;
}

/**
 * A collection of its own, so that pods that come and go wake nobody who asks for it. A policy that selects somebody reads
 * one pod, its witness, and looks for another when that one goes: only an empty selector hears of every pod.
 */
export function emptySelections(graph: Graph, inputs: SelectionInputs): Collection<EmptySelection> {
  const witnesses: Witnesses = new WeakMap();
  const emptyOf = (from: Collection<SelectingPolicy>): Collection<EmptySelection> =>
    derive<SelectingPolicy, EmptySelection>(graph, {
      name: `${from.name}-empty-selections`,
      from,
      keyOf: ({ key }) => key,
      transform: (policy, context) => {
        const labels = selectorOf(policy, inputs.settings);
        if (labels === undefined || hasPod(policy, labels, witnesses, inputs, context)) return [];
        if (isSomebodyElse(labels, policy.metadata.namespace, inputs, context)) return [];
        return [{ key: selectionKey(policy) }];
      },
      isEqual: () => true,
    });
  const { AuthorizationPolicy, PeerAuthentication } = inputs.sources;
  return join<EmptySelection>(graph, 'empty-selections', [emptyOf(AuthorizationPolicy), emptyOf(PeerAuthentication)]);
}

/** Undefined for what has no labels to select by, or is told to be without effect already. */
function selectorOf(policy: SelectingPolicy, settings: MeshSettings): Labels | undefined {
  const labels = policy.spec.selector?.matchLabels;
  if (labels === undefined || Object.keys(labels).length === 0) return undefined;
  if (policy.kind === 'AuthorizationPolicy') return isSent(policy, settings) ? labels : undefined;
  return selectsWorkloads(policy) && policy.metadata.namespace !== settings.rootNamespace ? labels : undefined;
}

/** Keys of pods that were found. What is derived does not depend on which one it is. */
type Witnesses = WeakMap<SelectingPolicy, string>;

/** Pods that have no address yet count: they will have one soon. */
function hasPod(
  policy: SelectingPolicy,
  labels: Labels,
  witnesses: Witnesses,
  { sources, podsByNamespace, settings }: SelectionInputs,
  reads: FetchContext,
): boolean {
  const isSelected = (pod: Pod): boolean => matchesLabels(labels, pod.metadata.labels);
  const known = reads.get(sources.Pod, witnesses.get(policy) ?? '');
  if (known !== undefined && isSelected(known)) return true;
  const { namespace } = policy.metadata;
  const isEverywhere = namespace === settings.rootNamespace;
  for (const pod of isEverywhere ? sources.Pod.values() : podsByNamespace.lookup(namespace)) {
    if (!isSelected(pod)) continue;
    witnesses.set(policy, resourceName(pod));
    return reads.get(sources.Pod, resourceName(pod)) !== undefined;
  }
  if (isEverywhere) reads.all(sources.Pod);
  else reads.lookup(podsByNamespace, namespace);
  return false;
}

function isSomebodyElse(
  labels: Labels,
  namespace: string,
  { sources, settings }: SelectionInputs,
  reads: FetchContext,
): boolean {
  const isNear = (metadata: ObjectMeta): boolean =>
    namespace === settings.rootNamespace || metadata.namespace === namespace;
  return (
    reads
      .all(sources.WorkloadEntry)
      .some((entry) => isNear(entry.metadata) && matchesLabels(labels, workloadEntryLabels(entry))) ||
    // Inline endpoints are held to what selects their ServiceEntry.
    reads
      .all(sources.ServiceEntry)
      .some(({ metadata }) => isNear(metadata) && matchesLabels(labels, metadata.labels)) ||
    reads.all(sources.Gateway).some((gateway) => {
      const at = isNear(gateway.metadata)
        ? l7Gateway(gateway, reads.get(sources.GatewayClass, gateway.spec.gatewayClassName), settings)
        : undefined;
      return at !== undefined && matchesLabels(labels, proxyLabels(at));
    })
  );
}

/** Information, not an error: the pods may be still to come. */
export function selectionConditions(
  { kind, metadata, spec }: SelectingPolicy,
  isEmpty: boolean,
  settings: MeshSettings,
): readonly DesiredCondition[] {
  if (!isEmpty) return [];
  const { namespace, generation } = metadata;
  const labels = Object.entries(spec.selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const place =
    kind === 'AuthorizationPolicy' && namespace === settings.rootNamespace ? 'the mesh' : `namespace ${namespace}`;
  return [
    {
      type: 'ambit.dev/SelectsWorkloads',
      status: 'False',
      reason: 'NothingSelected',
      message: `selector: nothing in ${place} has the labels ${labels.join(', ')} at the moment, so nobody is held to it`,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    },
  ];
}
