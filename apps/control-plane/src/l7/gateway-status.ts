/** What the status of an ingress gateway should say. Pure. Spec: l7.md sections 1.1 and 1.2. */
import { type Gateway, gatewayGroup, type GatewayListenerStatus, type StatusCondition } from '@ambit/kube';
import {
  type DesiredCondition,
  isSameCondition,
  type ListenerWrite,
  type StatusWrite,
} from '../derive/status-write.ts';
import type { ListenerReport } from './gateway-plan.ts';
import type { ListenerProblem, PlannedListener } from './listener-plan.ts';

/** What has to be written; nothing when the status reads as wanted. Addresses are whoever deploys the gateway's to write. */
export function gatewayWrites(gateway: Gateway, reports: readonly ListenerReport[]): readonly StatusWrite[] {
  const { namespace, name, generation } = gateway.metadata;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const conditions = gatewayConditions(gateway, reports).map((condition) => ({ ...condition, ...observed }));
  const listeners = reports.map(({ planned, attachedRoutes }) => ({
    name: planned.listener.name,
    supportedKinds: planned.kinds.map((kind) => ({ group: gatewayGroup, kind })),
    attachedRoutes,
    conditions: listenerConditions(planned).map((condition) => ({ ...condition, ...observed })),
  }));
  const { status } = gateway;
  const isAsWanted =
    reads(status.conditions, conditions) &&
    status.listeners.length === listeners.length &&
    listeners.every((wanted) => status.listeners.some((present) => isSameListener(present, wanted)));
  if (isAsWanted) return [];
  return [
    {
      kind: 'Gateway',
      namespace,
      name,
      generation,
      fieldManager: 'ambit-status',
      conditions: sinceThen(status.conditions, conditions),
      listeners: listeners.map((wanted) => {
        const present = status.listeners.find((listener) => listener.name === wanted.name);
        return { ...wanted, conditions: sinceThen(present?.conditions ?? [], wanted.conditions) };
      }),
    },
  ];
}

function gatewayConditions(gateway: Gateway, reports: readonly ListenerReport[]): readonly DesiredCondition[] {
  const valid = reports.filter(({ planned }) => refusal(planned) === undefined);
  const bad = reports.length - valid.length;
  const accepted: DesiredCondition =
    bad === 0
      ? { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'all listeners can be served' }
      : {
          type: 'Accepted',
          status: valid.length === 0 ? 'False' : 'True',
          reason: 'ListenersNotValid',
          message: `${bad} of ${reports.length} listeners cannot be served; see their conditions`,
        };
  return [accepted, programmed(gateway, accepted)];
}

function programmed(gateway: Gateway, accepted: DesiredCondition): DesiredCondition {
  const type = 'Programmed';
  if (accepted.status === 'False')
    return { type, status: 'False', reason: 'Invalid', message: 'no listener can be served' };
  if (gateway.status.addresses.length > 0) {
    return { type, status: 'True', reason: 'Programmed', message: 'the gateway has an address' };
  }
  return { type, status: 'False', reason: 'AddressNotAssigned', message: 'the gateway has no address yet' };
}

/** Why a listener is not accepted. */
function refusal({ problems }: PlannedListener): ListenerProblem | undefined {
  return problems.find(({ condition }) => condition !== 'ResolvedRefs');
}

function listenerConditions(planned: PlannedListener): readonly DesiredCondition[] {
  const { problems, isServed } = planned;
  const refused = refusal(planned);
  const conflict = problems.find(({ condition }) => condition === 'Conflicted');
  const unresolved = problems.find(({ condition }) => condition === 'ResolvedRefs');
  const bad = (type: string, reason: string, message: string): DesiredCondition => ({
    type,
    status: 'False',
    reason,
    message,
  });
  const good = (type: string, message: string): DesiredCondition => ({ type, status: 'True', reason: type, message });
  const unserved = isServed ? undefined : (conflict ?? refused ?? unresolved);
  return [
    refused === undefined
      ? good('Accepted', 'the listener is valid')
      : bad('Accepted', refused.reason, refused.message),
    conflict === undefined
      ? bad('Conflicted', 'NoConflicts', 'no other listener is in its way')
      : { type: 'Conflicted', status: 'True', reason: conflict.reason, message: conflict.message },
    unserved === undefined
      ? good('Programmed', 'the listener is served')
      : bad('Programmed', unserved === conflict ? conflict.reason : 'Invalid', unserved.message),
    unresolved === undefined
      ? good('ResolvedRefs', 'all references can be used')
      : bad('ResolvedRefs', unresolved.reason, unresolved.message),
  ];
}

/** Conditions of other controllers may stand beside ours. */
function reads(present: readonly StatusCondition[], wanted: readonly DesiredCondition[]): boolean {
  return wanted.every((condition) => present.some((is) => isSameCondition(is, condition)));
}

function isSameListener(present: GatewayListenerStatus, wanted: ListenerWrite): boolean {
  return (
    present.name === wanted.name &&
    present.attachedRoutes === wanted.attachedRoutes &&
    present.supportedKinds.join() === wanted.supportedKinds.map(({ kind }) => kind).join() &&
    reads(present.conditions, wanted.conditions)
  );
}

function sinceThen(
  present: readonly StatusCondition[],
  wanted: readonly DesiredCondition[],
): readonly DesiredCondition[] {
  return wanted.map((condition) => {
    const since = present.find(({ type, status }) => type === condition.type && status === condition.status);
    const time = since?.lastTransitionTime;
    return time === undefined ? condition : { ...condition, lastTransitionTime: time };
  });
}
