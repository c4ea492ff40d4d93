/** How place counts among endpoints. Spec: l7.md section 9.2. */
import { type traffic, workload } from '@ambit/api';
import type { BalancerSpec, Labels, OutlierSpec } from '@ambit/kube';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { L7Gateway } from './l7-gateway.ts';

type LocalityInit = MessageInitShape<typeof traffic.Balancing_LocalitySchema>;
type PreferenceInit = MessageInitShape<typeof traffic.Balancing_PreferenceSchema>;

const { REGION, ZONE, SUBZONE, NETWORK, NODE } = workload.LoadBalancing_Scope;

const scopeOfLabel: ReadonlyMap<string, workload.LoadBalancing_Scope> = new Map([
  ['topology.istio.io/network', NETWORK],
  ['topology.kubernetes.io/region', REGION],
  ['topology.kubernetes.io/zone', ZONE],
  ['topology.istio.io/subzone', SUBZONE],
  ['kubernetes.io/hostname', NODE],
]);

/** Whether a preference by this label is one by place. */
export function isPlaceLabel(label: string): boolean {
  return scopeOfLabel.has(label);
}

/** What else decides. */
export interface LocalitySurroundings {
  /** Of the service. */
  readonly loadBalancing: workload.LoadBalancing | undefined;
  /** Workloads of the service with a label, `key=value`, or without one, `key`; none for a rule that names no such label. */
  readonly membersOf: (label: string) => readonly string[];
  /** Of the proxy's own pods. */
  readonly proxyLabels: Labels;
  readonly proxyRole: L7Gateway['role'];
}

/**
 * A rule's own locality setting counts before the service's traffic distribution. Without outlier detection nothing tells
 * that a locality has failed, so only the service's wish, or a zone-aware setting, turns failover on; shares need none.
 */
export function localityOf(
  balancer: BalancerSpec | undefined,
  outliers: OutlierSpec | undefined,
  surroundings: LocalitySurroundings,
): LocalityInit | undefined {
  const { loadBalancing } = surroundings;
  const wished = loadBalancing?.mode === workload.LoadBalancing_Mode.FAILOVER ? loadBalancing.routingPreference : [];
  const setting = balancer?.locality;
  if (setting?.isEnabled === false) return undefined;
  if (setting === undefined && wished.length > 0) return { enabled: true, routingPreference: [...wished] };
  if (setting !== undefined && setting.distribute.length > 0) {
    const distribute = setting.distribute.map(({ from, to }) => ({ from, to: Object.fromEntries(to) }));
    return { enabled: true, distribute };
  }
  if (outliers === undefined && setting?.isForced !== true) return undefined;
  const labels = setting?.failoverPriority ?? [];
  if (labels.some((label) => !scopeOfLabel.has(label))) {
    return { enabled: true, preferences: labels.map((label) => preference(label, surroundings)) };
  }
  const scopes = labels.flatMap((label) => scopeOfLabel.get(label) ?? []);
  return {
    enabled: true,
    routingPreference: scopes.length > 0 ? scopes : [REGION, ZONE, SUBZONE],
    failover: Object.fromEntries((setting?.failover ?? []).map(({ from, to }) => [from, to])),
    ...(setting === undefined ? {} : minimumOf(setting, surroundings)),
  };
}

/** Envoy: with fewer than six endpoints zones would get uneven shares. Istio: at waypoints there is no such limit. */
function minimumOf(
  { isForced, minClusterSize = 6 }: NonNullable<BalancerSpec['locality']>,
  { proxyRole }: LocalitySurroundings,
): { minRegionEndpoints: bigint } | undefined {
  return isForced && proxyRole === 'gateway' ? { minRegionEndpoints: BigInt(minClusterSize) } : undefined;
}

/** A label of pods that says nothing of place is compared with the value that is written, a bare one with the proxy's own. */
function preference(label: string, { membersOf, proxyLabels }: LocalitySurroundings): PreferenceInit {
  const scope = scopeOfLabel.get(label);
  if (scope !== undefined) return { kind: { case: 'scope', value: scope } };
  const own = label.includes('=') ? undefined : proxyLabels[label];
  const meant = own === undefined ? label : `${label}=${own}`;
  return { kind: { case: 'members', value: { workloadUids: [...membersOf(meant)] } } };
}
