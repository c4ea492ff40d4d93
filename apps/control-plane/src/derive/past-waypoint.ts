/**
 * Policies that close workloads to who has gone past their waypoint: whatever an L7 policy says would not hold for them. They only
 * refuse, so nobody gets in who would not without them, and they name nothing but ports of the service and identities of waypoints.
 *
 * What one workload adds (the number behind a named port, the waypoint of another service that shares the port) travels with it as
 * `openings`: a policy reads those of its own workloads, and nearly no workload has any.
 */
import { security } from '@ambit/api';
import { type Collection, compareText, derive, type FetchContext, type Graph } from '@ambit/collections';
import type { Location } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import type { MeshSettings } from '../mesh-settings.ts';
import { meshPolicy, type MeshPolicy } from './mesh-policy.ts';
import type { MeshService, ServiceCandidate } from './mesh-service.ts';
import { haveSameBytes, type MeshWorkload, type Opening } from './mesh-workload.ts';
import { portList, type PortResolver } from './service-ports.ts';
import type { Waypoint } from './waypoint.ts';
import type { WaypointDirectory } from './waypoint-directory.ts';
import { principalMatch } from './waypoint-policy.ts';

/** What closes one workload. */
interface Closing {
  /** Names of policies, sorted. */
  readonly policies: readonly string[];
  readonly openings: readonly Opening[];
}

/** A workload that admits everybody. */
export const open: Closing = { policies: [], openings: [] };

const origin: Location = { file: 'waypoint', line: 1, column: 1 };

/**
 * What closes a workload of these services. `own`: the waypoint of its own address, which may come to all its ports; `isClosedBehind`:
 * and nobody else may.
 */
export function closingOf(
  services: readonly MeshService[],
  resolve: PortResolver,
  own: Waypoint | undefined,
  isClosedBehind: boolean,
): Closing {
  const behind = own !== undefined && isClosedBehind ? own : undefined;
  if (behind === undefined && !services.some(({ candidate }) => candidate.isClosed)) return open;
  const resolved = services.map(({ candidate }) => ({ candidate, ports: targets(candidate, resolve) }));
  const found: Opening[] = [];
  for (const { candidate, ports } of resolved.filter((service) => service.candidate.isClosed)) {
    const sharing = resolved.filter((other) => other.ports.some((port) => ports.includes(port)));
    const known = waypointsOf(candidate);
    const all = [...sharing.flatMap((other) => waypointsOf(other.candidate)), ...(own === undefined ? [] : [own.key])];
    const fixed = fixedPorts(candidate);
    found.push({
      policy: servicePolicyName(candidate),
      ports: ports.filter((port) => !fixed.includes(port)),
      waypoints: sorted(all.filter((key) => !known.includes(key))),
    });
  }
  if (behind !== undefined) {
    const others = services.flatMap(({ candidate }) => waypointsOf(candidate)).filter((key) => key !== behind.key);
    found.push({ policy: workloadPolicyName(behind), ports: [], waypoints: sorted(others) });
  }
  return {
    policies: sorted(found.map(({ policy }) => policy)),
    openings: found
      .filter(({ ports, waypoints }) => ports.length > 0 || waypoints.length > 0)
      .toSorted((a, b) => compareText(a.policy, b.policy)),
  };
}

/** Those policies, by name. There is one for each service that is closed, with or without workloads: a name must never be missing. */
export function pastWaypointPolicies(
  graph: Graph,
  services: Collection<MeshService>,
  workloads: Collection<MeshWorkload>,
  waypoints: WaypointDirectory,
  settings: MeshSettings,
): readonly Collection<MeshPolicy>[] {
  if (!settings.refusesPastWaypoint) return [];
  const byPolicy = workloads.index('by-opening', ({ openings }) => openings?.map(({ policy }) => policy) ?? []);
  const openingsOf = (context: FetchContext, name: string): readonly Opening[] =>
    context.lookup(byPolicy, name).flatMap(({ openings }) => openings?.filter(({ policy }) => policy === name) ?? []);
  const notFrom = (context: FetchContext, keys: readonly string[]): security.StringMatch[] =>
    sorted(keys).flatMap((key) =>
      waypoints
        .accountsOf(context, key)
        .map((account) => principalMatch(key.slice(0, key.indexOf('/')), account, settings)),
    );
  const ofServices = derive<MeshService, MeshPolicy>(graph, {
    name: 'past-waypoint-policies',
    from: services,
    keyOf: (policy) => policy.name,
    transform: ({ candidate }, context) => {
      if (!candidate.isClosed) return [];
      const name = servicePolicyName(candidate);
      const openings = openingsOf(context, name);
      const ports = new Set([...fixedPorts(candidate), ...openings.flatMap((opening) => opening.ports)]);
      const keys = [...waypointsOf(candidate), ...openings.flatMap((opening) => opening.waypoints)];
      const match = create(security.MatchSchema, {
        destinationPorts: [...ports].toSorted((a, b) => a - b),
        notPrincipals: notFrom(context, keys),
      });
      // Without a port the match would mean all of them.
      return [refusal(name, ports.size === 0 ? [] : [{ clauses: [{ matches: [match] }] }], candidate.origin)];
    },
    isEqual: haveSameBytes,
  });
  const ofWaypoints = derive<Waypoint, MeshPolicy>(graph, {
    name: 'past-workload-waypoint-policies',
    from: waypoints.waypoints,
    keyOf: (policy) => policy.name,
    transform: (waypoint, context) => {
      const takesWorkloads = waypoint.traffic === 'workload' || waypoint.traffic === 'all';
      if (!takesWorkloads || waypoints.lookup(context).policyPassed(undefined, waypoint.key) === undefined) return [];
      const name = workloadPolicyName(waypoint);
      const keys = openingsOf(context, name).flatMap((opening) => opening.waypoints);
      const notPrincipals = notFrom(context, [waypoint.key, ...keys]);
      // A match without any field is never true; a rule without clauses always is.
      const clauses =
        notPrincipals.length === 0 ? [] : [{ matches: [create(security.MatchSchema, { notPrincipals })] }];
      return [refusal(name, [{ clauses }], origin)];
    },
    isEqual: haveSameBytes,
  });
  return [ofServices, ofWaypoints];
}

type RuleInit = { readonly clauses: { readonly matches: security.Match[] }[] };

function refusal(key: string, rules: RuleInit[], from: Location): MeshPolicy {
  const slash = key.indexOf('/');
  const message = create(security.AuthorizationSchema, {
    name: key.slice(slash + 1),
    namespace: key.slice(0, slash),
    scope: security.Scope.WORKLOAD_SELECTOR,
    action: security.Action.DENY,
    rules,
  });
  return meshPolicy(message, from);
}

/** The underscore cannot occur in a Kubernetes name, so no user's policy has one of these. */
function servicePolicyName({ namespace, hostname }: ServiceCandidate): string {
  return `${namespace}/ambit_past_waypoint_${hostname}`;
}

function workloadPolicyName({ key }: Waypoint): string {
  return key.replace('/', '/ambit_past_workload_waypoint_');
}

function waypointsOf({ waypoint, canary }: ServiceCandidate): readonly string[] {
  return [...(waypoint === undefined ? [] : [waypoint.key]), ...(canary === undefined ? [] : [canary.key])];
}

/** Target ports that the service tells by itself. */
function fixedPorts({ ports }: ServiceCandidate): readonly number[] {
  return ports.map(({ target }) => target).filter((target) => typeof target === 'number');
}

function targets(candidate: ServiceCandidate, resolve: PortResolver): readonly number[] {
  return portList(candidate, resolve).ports.map(({ targetPort }) => targetPort);
}

function sorted(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].toSorted(compareText);
}
