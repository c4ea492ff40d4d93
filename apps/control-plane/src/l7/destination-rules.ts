import type { Index } from '@ambit/collections';
import {
  type DestinationRule,
  matchesLabels,
  resourceName,
  type SubsetSpec,
  type TrafficPolicySpec,
} from '@ambit/kube';
import { compareAge } from '../derive/age-order.ts';
import type { MeshReads } from '../derive/mesh-reads.ts';
import type { MeshObjects } from '../derive/mesh-objects.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import { fullHost, hostPatterns, isExportedTo } from './host-names.ts';
import type { L7Gateway } from './l7-gateway.ts';

/** The rules that hold for one host, as one. */
export interface HostRules {
  readonly policy: TrafficPolicySpec | undefined;
  /** Of the rule that has it; empty for none. */
  readonly policyRule: string;
  readonly subsets: readonly (SubsetSpec & { /** Of the rule that defines it. */ readonly rule: string })[];
}

const noRules: HostRules = { policy: undefined, policyRule: '', subsets: [] };

/** Finds the DestinationRules of hosts. Spec: l7.md section 3.4. */
export class DestinationRules {
  readonly #byHost: Index<DestinationRule>;
  readonly #settings: MeshSettings;

  constructor(objects: MeshObjects, settings: MeshSettings) {
    this.#settings = settings;
    this.#byHost = objects.DestinationRule.index('by-host', (rule) => [
      fullHost(rule.spec.host, rule.metadata.namespace, settings),
    ]);
  }

  /**
   * Rules of the proxy's namespace, else of the service's, else of the root namespace; in each the closest host, and of
   * several for one host the first policy and all subsets.
   */
  rulesFor(
    reads: MeshReads,
    at: L7Gateway,
    service: { readonly namespace: string; readonly hostname: string },
  ): HostRules {
    const own = at.gateway.metadata.namespace;
    const namespaces = [...new Set([own, service.namespace, this.#settings.rootNamespace])];
    for (const namespace of namespaces) {
      for (const pattern of hostPatterns(service.hostname)) {
        const found = reads
          .lookup(this.#byHost, pattern)
          .filter((rule) => rule.metadata.namespace === namespace && this.#isFor(rule, at))
          .toSorted((a, b) => compareAge(a.metadata, b.metadata));
        if (found.length > 0) return merged(found);
      }
    }
    return noRules;
  }

  #isFor({ metadata, spec }: DestinationRule, { gateway }: L7Gateway): boolean {
    const { namespace, name, labels } = gateway.metadata;
    // Rules of the own namespace can always be seen.
    if (metadata.namespace !== namespace && !isExportedTo(spec.exportTo, metadata.namespace, namespace)) return false;
    if (spec.workloadSelector === undefined) return true;
    const podLabels = { ...labels, 'gateway.networking.k8s.io/gateway-name': name };
    return metadata.namespace === namespace && matchesLabels(spec.workloadSelector, podLabels);
  }
}

function merged(rules: readonly DestinationRule[]): HostRules {
  const subsets = new Map<string, HostRules['subsets'][number]>();
  for (const rule of rules) {
    for (const subset of rule.spec.subsets) {
      if (!subsets.has(subset.name)) subsets.set(subset.name, { ...subset, rule: resourceName(rule) });
    }
  }
  const first = rules.find(({ spec }) => spec.policy !== undefined);
  return {
    policy: first?.spec.policy,
    policyRule: first === undefined ? '' : resourceName(first),
    subsets: [...subsets.values()],
  };
}
