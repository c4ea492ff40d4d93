import { security } from '@ambit/api';
import { compareText } from '@ambit/collections';
import type { Location } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import type { MeshSettings } from '../mesh-settings.ts';
import { meshPolicy, type MeshPolicy } from './mesh-policy.ts';
import { stringMatch } from './policy-match.ts';
import type { Waypoint } from './waypoint.ts';

const origin: Location = { file: 'waypoint', line: 1, column: 1 };

/**
 * The policy that lets a waypoint, and with it nobody else, reach workloads; undefined while the waypoint has no pods.
 * Only made when asked for. Spec: control-plane.md section 5.5, point 3.
 */
export function waypointPolicy(waypoint: Waypoint, settings: MeshSettings): MeshPolicy | undefined {
  if (!settings.allowsOnlyWaypoints || waypoint.serviceAccounts.length === 0) return undefined;
  const { namespace, serviceAccounts } = waypoint;
  const principals = serviceAccounts.map((account) => principalMatch(namespace, account, settings));
  const match = create(security.MatchSchema, { principals });
  const message = create(security.AuthorizationSchema, {
    name: policyName(waypoint),
    namespace,
    scope: security.Scope.WORKLOAD_SELECTOR,
    action: security.Action.ALLOW,
    rules: [{ clauses: [{ matches: [match] }] }],
  });
  return meshPolicy(message, origin);
}

/** The identity of pods with this service account. */
export function principalMatch(namespace: string, account: string, settings: MeshSettings): security.StringMatch {
  return stringMatch(`${settings.trustDomain}/ns/${namespace}/sa/${account}`);
}

/** Names of those policies for a workload: of the waypoints of its services, then of its own. */
export function waypointPolicyNames(
  own: Waypoint | undefined,
  ofServices: readonly Waypoint[],
  settings: MeshSettings,
): readonly string[] {
  if (!settings.allowsOnlyWaypoints) return [];
  const others = ofServices.filter(({ key }) => key !== own?.key).toSorted((a, b) => compareText(a.key, b.key));
  const names = [...others, ...(own === undefined ? [] : [own])]
    .filter(({ serviceAccounts }) => serviceAccounts.length > 0)
    .map((waypoint) => `${waypoint.namespace}/${policyName(waypoint)}`);
  return [...new Set(names)];
}

/** The underscore cannot occur in a Kubernetes name, so no user's policy has this one. */
function policyName({ key }: Waypoint): string {
  return `istio_allow_waypoint_${key.replace('/', '_')}`;
}
