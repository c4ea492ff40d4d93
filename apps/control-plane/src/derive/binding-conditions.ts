import type { ServiceEntry } from '@ambit/kube';
import type { MeshSettings, Visibility } from '../mesh-settings.ts';
import type { DesiredCondition } from './status-write.ts';
import type { Binding, ServiceBinding } from './waypoint-binding.ts';

/** Conditions of a Service about its waypoint; none when no label asks for one. Spec: control-plane.md section 4.4. */
export function serviceConditions(bound: ServiceBinding): readonly DesiredCondition[] {
  const { binding } = bound;
  return binding.kind === 'bound' ? [accepted(binding.waypoint.key, extras(bound))] : workloadConditions(binding);
}

/** Conditions of a WorkloadEntry about its waypoint. */
export function workloadConditions(binding: Binding): readonly DesiredCondition[] {
  switch (binding.kind) {
    case 'none':
      return [];
    case 'bound':
      return [accepted(binding.waypoint.key, [])];
    case 'refused': {
      const { reason, message } = binding.refusal;
      const effect =
        binding.policy === undefined
          ? 'traffic goes without'
          : `calls are refused, because nobody else enforces ${binding.policy}; istio.io/use-waypoint: none would let them through`;
      return [{ type: 'istio.io/WaypointBound', status: 'False', reason, message: `${message}; ${effect}` }];
    }
  }
}

/** Conditions of a ServiceEntry. `visibility` is told only when the mesh has rules about it. */
export function entryConditions(
  entry: ServiceEntry,
  bound: ServiceBinding,
  visibility: Exclude<Visibility, 'NONE'>,
  settings: MeshSettings,
): readonly DesiredCondition[] {
  const conditions = [...serviceConditions(bound)];
  const missing = bound.binding.kind === 'bound' ? undefined : whyWaypointIsNeeded(entry);
  if (missing !== undefined) conditions.push({ type: 'istio.io/WaypointMissing', status: 'True', ...missing });
  if (settings.serviceEntryVisibility !== undefined) {
    const isPrivate = visibility === 'NAMESPACE';
    conditions.push({
      type: 'istio.io/VisibilityApplied',
      status: 'True',
      reason: isPrivate ? 'Namespace' : 'Public',
      message: isPrivate ? 'only clients of its own namespace can use it' : 'the whole mesh can use it',
    });
  }
  return conditions;
}

function whyWaypointIsNeeded(entry: ServiceEntry): { readonly reason: string; readonly message: string } | undefined {
  const strategy = entry.metadata.annotations['istio.io/connect-strategy']?.toUpperCase();
  if (strategy === 'RACE_FIRST_TCP_CONNECT') {
    const message = 'annotation istio.io/connect-strategy has an effect at a waypoint only; set istio.io/use-waypoint';
    return { reason: 'NoWaypointForRacingConnectStrategy', message };
  }
  if (!entry.spec.hosts.some((host) => host.startsWith('*'))) return undefined;
  const message = 'a wildcard host has an effect at a waypoint only; set istio.io/use-waypoint';
  return { reason: 'NoWaypointForWildcardService', message };
}

function extras({ isForIngress, canary, canaryRefusal, closedBy, isPastAllowed }: ServiceBinding): readonly string[] {
  const parts: string[] = [];
  if (isForIngress === true) parts.push('ingress traffic goes through it too');
  if (isForIngress === false) parts.push('ingress traffic goes past it');
  if (canary !== undefined) parts.push(`${canary.weight} % of connections go to ${canary.waypoint.key}`);
  if (canaryRefusal !== undefined) parts.push(`no canary: ${canaryRefusal.message}`);
  if (closedBy !== undefined) {
    const gateways =
      isForIngress === true ? '' : ', ingress gateways too unless istio.io/ingress-use-waypoint: "true" is set';
    parts.push(`its workloads in the mesh refuse who comes past it, for the sake of ${closedBy}${gateways}`);
  }
  if (isPastAllowed) parts.push('ambit.dev/past-waypoint lets everybody past it');
  return parts;
}

function accepted(waypoint: string, details: readonly string[]): DesiredCondition {
  return {
    type: 'istio.io/WaypointBound',
    status: 'True',
    reason: 'WaypointAccepted',
    message: [`bound to waypoint ${waypoint}`, ...details].join('; '),
  };
}
