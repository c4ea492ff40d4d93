/** What is said of a listener, whoever has it. Pure. Spec: l7.md sections 1.1 and 1.2. */
import { gatewayGroup, type GatewayListenerStatus, type StatusCondition } from '@ambit/kube';
import { type DesiredCondition, isSameCondition, type ListenerWrite } from '../derive/status-write.ts';
import type { ListenerReport } from './gateway-plan.ts';
import type { ListenerProblem, PlannedListener } from './listener-plan.ts';

/** The entry of a listener in the status of the object that has it. */
export function listenerWrite(
  { planned, attachedRoutes }: ListenerReport,
  generation: number | undefined,
): ListenerWrite {
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  return {
    name: planned.listener.name,
    supportedKinds: planned.kinds.map((kind) => ({ group: gatewayGroup, kind })),
    attachedRoutes,
    conditions: listenerConditions(planned).map((condition) => ({ ...condition, ...observed })),
  };
}

/** Why a listener is not accepted. */
export function refusal({ problems }: PlannedListener): ListenerProblem | undefined {
  return problems.find(({ condition }) => condition !== 'ResolvedRefs');
}

function listenerConditions(planned: PlannedListener): readonly DesiredCondition[] {
  const { problems, isServed, overlaps } = planned;
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
    ...(overlaps ? [overlapping] : []),
    ...refusedCiphers(planned),
  ];
}

const fieldsInForce = 'ambit.dev/FieldsInForce';

function refusedCiphers({ ciphers: { suites, refused } }: PlannedListener): readonly DesiredCondition[] {
  if (refused.length === 0) return [];
  const instead = suites.length > 0 ? suites.join(', ') : 'all suites with forward secrecy and AEAD';
  const message = `tls-cipher-suites: ${refused.join(', ')}: not offered here; clients of TLS 1.2 can have ${instead}`;
  return [{ type: fieldsInForce, status: 'False', reason: 'Unsupported', message }];
}

const overlapping: DesiredCondition = {
  type: 'OverlappingTLSConfig',
  status: 'True',
  reason: 'OverlappingHostnames',
  message: 'another HTTPS listener of this port has host names in common; requests that are for the other one get 421',
};

/** Conditions of other controllers may stand beside ours. */
export function conditionsRead(present: readonly StatusCondition[], wanted: readonly DesiredCondition[]): boolean {
  return wanted.every((condition) => present.some((is) => isSameCondition(is, condition)));
}

export function isSameListener(present: GatewayListenerStatus, wanted: ListenerWrite): boolean {
  return (
    present.name === wanted.name &&
    present.attachedRoutes === wanted.attachedRoutes &&
    present.supportedKinds.join() === wanted.supportedKinds.map(({ kind }) => kind).join() &&
    conditionsRead(present.conditions, wanted.conditions) &&
    // They are there only as long as there is something to say: what does not hold any more has to go.
    [overlapping.type, fieldsInForce].every(
      (passing) =>
        present.conditions.some(({ type }) => type === passing) ===
        wanted.conditions.some(({ type }) => type === passing),
    )
  );
}

/** A condition that stays keeps its time. */
export function withTimes(
  present: readonly StatusCondition[],
  wanted: readonly DesiredCondition[],
): readonly DesiredCondition[] {
  return wanted.map((condition) => {
    const since = present.find(({ type, status }) => type === condition.type && status === condition.status);
    const time = since?.lastTransitionTime;
    return time === undefined ? condition : { ...condition, lastTransitionTime: time };
  });
}
