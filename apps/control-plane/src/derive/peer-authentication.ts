import { security } from '@ambit/api';
import type { MutualTlsMode, PeerAuthentication } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import { compareAge } from './age-order.ts';
import { meshPolicy, type MeshPolicy } from './mesh-policy.ts';
import { stringMatch } from './policy-match.ts';

/** The policy "deny whoever has no identity", referred to by every workload that is STRICT throughout. */
export const staticStrictName = 'istio_converted_static_strict';

/** What is in force above one workload: oldest of the mesh, oldest of the namespace. */
export interface InheritedMode {
  readonly mesh: MutualTlsMode;
  readonly namespace: MutualTlsMode;
}

/** True for a PeerAuthentication that is for selected workloads. An empty selector means the whole namespace. */
export function selectsWorkloads(peer: PeerAuthentication): boolean {
  return Object.keys(peer.spec.selector?.matchLabels ?? {}).length > 0;
}

/** The oldest one, which is the only one that counts on its level. */
export function oldest(peers: readonly PeerAuthentication[]): PeerAuthentication | undefined {
  return peers.toSorted((a, b) => compareAge(a.metadata, b.metadata))[0];
}

/** Mode of the namespace, else of the mesh, else PERMISSIVE. DISABLE is PERMISSIVE: ztunnel always offers HBONE. */
export function inheritedIsStrict(inherited: InheritedMode): boolean {
  return (inherited.namespace === 'UNSET' ? inherited.mesh : inherited.namespace) === 'STRICT';
}

function isStrict(own: MutualTlsMode, inherited: InheritedMode): boolean {
  return own === 'UNSET' ? inheritedIsStrict(inherited) : own === 'STRICT';
}

/** Policies a workload has to name because of PeerAuthentications. Spec: control-plane.md sections 5.3 and 5.5. */
export function peerPolicyNames(
  selecting: PeerAuthentication | undefined,
  inherited: InheritedMode,
  rootNamespace: string,
): readonly string[] {
  const strictName = `${rootNamespace}/${staticStrictName}`;
  const own = selecting?.spec.mode ?? 'UNSET';
  const ports = selecting?.spec.portLevel ?? [];
  if (selecting === undefined || ports.length === 0) return isStrict(own, inherited) ? [strictName] : [];
  if (isStrict(own, inherited)) {
    // With an inherited STRICT istiod does not notice DISABLE on a port, so the port stays strict; the stricter reading.
    const opens = ports.some(({ mode }) => mode === 'PERMISSIVE' || (mode === 'DISABLE' && own === 'STRICT'));
    return [opens ? portPolicyName(selecting) : strictName];
  }
  return ports.some(({ mode }) => mode === 'STRICT') ? [portPolicyName(selecting)] : [];
}

function portPolicyName(peer: PeerAuthentication): string {
  return `${peer.metadata.namespace}/converted_peer_authentication_${peer.metadata.name}`;
}

/** The policy made of port-level modes; undefined when they change nothing. Spec: control-plane.md section 5.3. */
export function portPolicy(peer: PeerAuthentication, inherited: InheritedMode): MeshPolicy | undefined {
  const strict = isStrict(peer.spec.mode, inherited);
  const ports = peer.spec.portLevel;
  const open = ports.filter(({ mode }) => mode === 'PERMISSIVE' || mode === 'DISABLE').map(({ port }) => port);
  const closed = ports.filter(({ mode }) => mode === 'STRICT').map(({ port }) => port);
  const rules = strict ? exceptPorts(open) : onlyPorts(closed);
  if (rules.length === 0) return undefined;
  const message = create(security.AuthorizationSchema, {
    name: `converted_peer_authentication_${peer.metadata.name}`,
    namespace: peer.metadata.namespace,
    scope: security.Scope.WORKLOAD_SELECTOR,
    action: security.Action.DENY,
    rules: [...rules],
  });
  return meshPolicy(message, peer.origin);
}

/** One rule whose clauses all have to hold: none of the open ports, and no identity. */
function exceptPorts(open: readonly number[]): readonly security.Rule[] {
  if (open.length === 0) return [];
  const matches = [
    ...open.map((port) => create(security.MatchSchema, { notDestinationPorts: [port] })),
    create(security.MatchSchema, { notPrincipals: [stringMatch('*')] }),
  ];
  return [create(security.RuleSchema, { clauses: matches.map((match) => ({ matches: [match] })) })];
}

/** One rule for each strict port. */
function onlyPorts(closed: readonly number[]): readonly security.Rule[] {
  return closed.map((port) => {
    const match = create(security.MatchSchema, { destinationPorts: [port], notPrincipals: [stringMatch('*')] });
    return create(security.RuleSchema, { clauses: [{ matches: [match] }] });
  });
}

/** The static strict policy; it exists while any PeerAuthentication does. */
export function staticStrictPolicy(rootNamespace: string, because: PeerAuthentication): MeshPolicy {
  const match = create(security.MatchSchema, { notPrincipals: [stringMatch('*')] });
  const message = create(security.AuthorizationSchema, {
    name: staticStrictName,
    namespace: rootNamespace,
    scope: security.Scope.WORKLOAD_SELECTOR,
    action: security.Action.DENY,
    rules: [{ clauses: [{ matches: [match] }] }],
  });
  return meshPolicy(message, because.origin);
}
