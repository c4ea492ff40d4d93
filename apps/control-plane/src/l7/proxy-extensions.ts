/**
 * EnvoyFilter, WasmPlugin and TrafficExtension: what users write for the insides of Envoy. Nothing of it is carried out here, and
 * that must not go unseen, as filters of security may be among it: condition and finding say so. Spec: l7.md section 3.1.
 */
import type { Collection, Graph } from '@ambit/collections';
import { type EnvoyFilter, matchesLabels, type TrafficExtension, type WasmPlugin } from '@ambit/kube';
import type { MeshReads } from '../derive/mesh-reads.ts';
import type { MeshSources } from '../derive/mesh-sources.ts';
import { type VerdictCollections, verdictCollections } from '../derive/object-verdicts.ts';
import type { DesiredCondition } from '../derive/status-write.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import { type L7Gateway, proxyLabels } from './l7-gateway.ts';
import type { MeshView } from './mesh-view.ts';

type AnyExtension = EnvoyFilter | WasmPlugin | TrafficExtension;

/** Index value of all gateways. */
const anywhere = '';

export function extensionStatuses(
  graph: Graph,
  sources: MeshSources,
  gateways: Collection<L7Gateway>,
  view: MeshView,
  settings: MeshSettings,
): VerdictCollections {
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
  const judged: readonly Collection<AnyExtension>[] = [
    sources.EnvoyFilter,
    sources.WasmPlugin,
    sources.TrafficExtension,
  ];
  return verdictCollections(graph, 'extension', judged, (extension, context) => {
    const proxies = [...new Set(proxiesFor(extension, context))].toSorted();
    return proxies.length === 0 ? [] : [refusal(extension, proxies)];
  });
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
