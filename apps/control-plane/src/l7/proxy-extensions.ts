/**
 * EnvoyFilter, WasmPlugin and TrafficExtension: what users write for the insides of Envoy. Nothing of it is carried out here, and
 * that must not go unseen, as filters of security may be among it: condition and finding say so. Spec: l7.md section 3.1.
 */
import { type Collection, derive, type Graph, join } from '@ambit/collections';
import {
  type EnvoyFilter,
  formatReport,
  matchesLabels,
  type SourceReport,
  type TrafficExtension,
  type WasmPlugin,
} from '@ambit/kube';
import type { MeshReads } from '../derive/mesh-reads.ts';
import type { MeshSources } from '../derive/mesh-sources.ts';
import { conditionFindings } from '../derive/status-collections.ts';
import { conditionWrites, type DesiredCondition, type StatusWrite, statusWriteKey } from '../derive/status-write.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import { type L7Gateway, proxyLabels } from './l7-gateway.ts';
import type { MeshView } from './mesh-view.ts';

type AnyExtension = EnvoyFilter | WasmPlugin | TrafficExtension;

export interface ExtensionStatuses {
  readonly statuses: Collection<StatusWrite>;
  readonly findings: Collection<SourceReport>;
}

interface Verdict {
  readonly extension: AnyExtension;
  readonly conditions: readonly DesiredCondition[];
}

/** Index value of all gateways. */
const anywhere = '';

export function extensionStatuses(
  graph: Graph,
  sources: MeshSources,
  gateways: Collection<L7Gateway>,
  view: MeshView,
  settings: MeshSettings,
): ExtensionStatuses {
  const byNamespace = gateways.index('by-namespace', ({ gateway, controllerName }) =>
    settings.ownControllers.includes(controllerName) ? [anywhere, gateway.metadata.namespace] : [],
  );
  const proxiesFor = (extension: AnyExtension, reads: MeshReads): readonly string[] => {
    const { metadata, spec } = extension;
    const { namespace } = metadata;
    const isOwn = (key: string): boolean => {
      const at = reads.get(gateways, key);
      return at !== undefined && settings.ownControllers.includes(at.controllerName);
    };
    if (spec.targets.length === 0) {
      const scope = namespace === settings.rootNamespace ? anywhere : namespace;
      return reads
        .lookup(byNamespace, scope)
        .filter((at) => spec.selector === undefined || matchesLabels(spec.selector, proxyLabels(at)))
        .map(({ key }) => key);
    }
    return spec.targets.flatMap(({ kind, name }): readonly string[] => {
      switch (kind) {
        case 'Gateway':
          return isOwn(`${namespace}/${name}`) ? [`${namespace}/${name}`] : [];
        case 'GatewayClass':
          return reads
            .lookup(byNamespace, anywhere)
            .flatMap(({ key, gateway }) => (gateway.spec.gatewayClassName === name ? [key] : []));
        default: {
          const waypoint = view.targetService(reads, kind, namespace, name)?.candidate.waypoint?.key;
          return waypoint !== undefined && isOwn(waypoint) ? [waypoint] : [];
        }
      }
    });
  };
  const verdictsOf = (from: Collection<AnyExtension>): Collection<Verdict> =>
    derive<AnyExtension, Verdict>(graph, {
      name: `${from.name}-verdicts`,
      from,
      keyOf: ({ extension: { kind, metadata } }) => `${kind}/${metadata.namespace}/${metadata.name}`,
      transform: (extension, context) => {
        const proxies = [...new Set(proxiesFor(extension, context))].toSorted();
        const conditions = proxies.length === 0 ? [] : [refusal(extension, proxies)];
        return conditions.length + extension.status.conditions.length === 0 ? [] : [{ extension, conditions }];
      },
      isEqual: () => false,
    });
  const verdicts = join<Verdict>(graph, 'extension-verdicts', [
    verdictsOf(sources.EnvoyFilter),
    verdictsOf(sources.WasmPlugin),
    verdictsOf(sources.TrafficExtension),
  ]);
  return {
    statuses: derive<Verdict, StatusWrite>(graph, {
      name: 'extension-statuses',
      from: verdicts,
      keyOf: statusWriteKey,
      transform: ({ extension: { kind, metadata, status }, conditions }) =>
        conditionWrites(kind, metadata, status.conditions, conditions),
    }),
    findings: derive<Verdict, SourceReport>(graph, {
      name: 'extension-findings',
      from: verdicts,
      keyOf: formatReport,
      transform: ({ extension, conditions }) => conditionFindings(extension, conditions),
    }),
  };
}

const shownProxies = 5;

function refusal({ kind, metadata, spec }: AnyExtension, proxies: readonly string[]): DesiredCondition {
  const more = proxies.length > shownProxies ? ` and ${proxies.length - shownProxies} more` : '';
  const parts = spec.patches.length === 0 ? '' : `; it patches ${spec.patches.join(', ')}`;
  const message = `${kind} is for the insides of Envoy and has no effect at ${proxies.slice(0, shownProxies).join(', ')}${more}${parts}`;
  const { generation } = metadata;
  return {
    type: 'WaypointAccepted',
    status: 'False',
    reason: 'Unsupported',
    message,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}
