/** What the status of a ListenerSet should say. Pure. Spec: l7.md sections 1.2 and 1.3. */
import type { Gateway } from '@ambit/kube';
import type { DesiredCondition, StatusWrite } from '../derive/status-write.ts';
import type { ListenerReport } from './gateway-plan.ts';
import type { JudgedSet } from './listener-owner.ts';
import { conditionsRead, isSameListener, listenerWrite, withTimes } from './listener-status.ts';

/** Reports of the listeners of one set; none for one that is not let. */
export function reportsOfSet(
  { set: { metadata } }: JudgedSet,
  reports: readonly ListenerReport[],
): readonly ListenerReport[] {
  return reports.filter(
    ({ planned: { owner } }) =>
      owner.kind === 'ListenerSet' && owner.namespace === metadata.namespace && owner.name === metadata.name,
  );
}

/** A set is attached when at least one of its listeners is served. */
export function isAttached(judged: JudgedSet, reports: readonly ListenerReport[]): boolean {
  return judged.isAllowed && reportsOfSet(judged, reports).some(({ planned }) => planned.isServed);
}

/** What has to be written; nothing when the status reads as wanted. */
export function listenerSetWrites(
  gateway: Gateway,
  judged: JudgedSet,
  all: readonly ListenerReport[],
): readonly StatusWrite[] {
  const { set, isAllowed } = judged;
  const { namespace, name, generation } = set.metadata;
  const reports = reportsOfSet(judged, all);
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const wanted = (isAllowed ? ofListeners(gateway, reports) : notAllowed(gateway)).map((condition) => ({
    ...condition,
    ...observed,
  }));
  const listeners = reports.map((report) => listenerWrite(report, generation));
  const { status } = set;
  const isAsWanted =
    conditionsRead(status.conditions, wanted) &&
    status.listeners.length === listeners.length &&
    listeners.every((one) => status.listeners.some((present) => isSameListener(present, one)));
  if (isAsWanted) return [];
  return [
    {
      kind: 'ListenerSet',
      namespace,
      name,
      generation,
      fieldManager: 'ambit-status',
      conditions: withTimes(status.conditions, wanted),
      listeners: listeners.map((one) => {
        const present = status.listeners.find((listener) => listener.name === one.name);
        return { ...one, conditions: withTimes(present?.conditions ?? [], one.conditions) };
      }),
    },
  ];
}

function notAllowed({ metadata }: Gateway): readonly DesiredCondition[] {
  const message = `Gateway ${metadata.namespace}/${metadata.name} does not take listeners from this namespace; see its allowedListeners`;
  return [
    { type: 'Accepted', status: 'False', reason: 'NotAllowed', message },
    { type: 'Programmed', status: 'False', reason: 'NotAllowed', message },
  ];
}

function ofListeners(gateway: Gateway, reports: readonly ListenerReport[]): readonly DesiredCondition[] {
  const bad = reports.filter(({ planned }) => !planned.isServed).length;
  const message = `${bad} of ${reports.length} listeners cannot be served; see their conditions`;
  if (bad === reports.length) {
    return [
      { type: 'Accepted', status: 'False', reason: 'ListenersNotValid', message },
      { type: 'Programmed', status: 'False', reason: 'ListenersNotValid', message },
    ];
  }
  const accepted: DesiredCondition =
    bad === 0
      ? { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'all listeners can be served' }
      : { type: 'Accepted', status: 'True', reason: 'ListenersNotValid', message };
  const programmed: DesiredCondition =
    gateway.status.addresses.length > 0
      ? { type: 'Programmed', status: 'True', reason: 'Programmed', message: 'the Gateway has an address' }
      : {
          type: 'Programmed',
          status: 'False',
          reason: 'ParentNotProgrammed',
          message: 'the Gateway has no address yet',
        };
  return [accepted, programmed];
}
