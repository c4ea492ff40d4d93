import type { Location } from '../location.ts';
import type { Labels, ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { type PolicyTarget, readTargets } from './policy-target.ts';
import { readConditions, type StatusCondition } from './status-condition.ts';
import { readSelector } from './workload-selector.ts';

/** Code or configuration for the insides of Envoy. Only what it is meant for is read: Ambit's proxies cannot carry it out. */
export interface ProxyExtension<K extends string> extends ResourceBase<K> {
  readonly spec: {
    /** Undefined: every proxy of the namespace. */
    readonly selector: Labels | undefined;
    readonly targets: readonly PolicyTarget[];
    /** Parts of Envoy's configuration that it changes, each once, as written; empty for code. */
    readonly patches: readonly string[];
  };
  readonly status: { readonly conditions: readonly StatusCondition[] };
}

export type EnvoyFilter = ProxyExtension<'EnvoyFilter'>;
export type WasmPlugin = ProxyExtension<'WasmPlugin'>;
export type TrafficExtension = ProxyExtension<'TrafficExtension'>;

export function readEnvoyFilter(reader: ObjectReader, metadata: ObjectMeta, origin: Location): EnvoyFilter {
  const spec = reader.object('spec', (body) => {
    body.ignore('priority');
    const patches = body.objects('configPatches', (patch) => {
      patch.ignore('match', 'patch');
      return patch.string('applyTo') ?? '';
    });
    return {
      selector: body.object('workloadSelector', (selector) => selector.stringMap('labels')),
      targets: readTargets(body),
      patches: [...new Set(patches)],
    };
  });
  return {
    kind: 'EnvoyFilter',
    metadata,
    origin,
    spec: spec ?? nothing,
    status: { conditions: readConditions(reader) },
  };
}

export function readWasmPlugin(reader: ObjectReader, metadata: ObjectMeta, origin: Location): WasmPlugin {
  const spec = reader.object('spec', (body) => {
    body.ignore('url', 'sha256', 'imagePullPolicy', 'imagePullSecret', 'verificationKey', 'pluginConfig', 'pluginName');
    return readCode(body, 'vmConfig', 'type', 'failStrategy');
  });
  return {
    kind: 'WasmPlugin',
    metadata,
    origin,
    spec: spec ?? nothing,
    status: { conditions: readConditions(reader) },
  };
}

export function readTrafficExtension(reader: ObjectReader, metadata: ObjectMeta, origin: Location): TrafficExtension {
  const spec = reader.object('spec', (body) => readCode(body, 'wasm', 'lua'));
  return {
    kind: 'TrafficExtension',
    metadata,
    origin,
    spec: spec ?? nothing,
    status: { conditions: readConditions(reader) },
  };
}

const nothing: ProxyExtension<string>['spec'] = { selector: undefined, targets: [], patches: [] };

function readCode(body: ObjectReader, ...others: readonly string[]): ProxyExtension<string>['spec'] {
  body.ignore('phase', 'priority', 'match', ...others);
  const selector = readSelector(body);
  return {
    selector: selector === undefined ? undefined : (selector.matchLabels ?? {}),
    targets: readTargets(body),
    patches: [],
  };
}
