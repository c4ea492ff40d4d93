/** What the status of an ingress gateway should say. Pure. Spec: l7.md sections 1.1 and 1.2. */
import type { Gateway } from '@ambit/kube';
import type { DesiredCondition, StatusWrite } from '../derive/status-write.ts';
import type { GatewayPlan } from './gateway-plan.ts';
import type { MaterialProblem } from './key-material.ts';
import { isAttached } from './listener-set-status.ts';
import { conditionsRead, isSameListener, listenerWrite, refusal, withTimes } from './listener-status.ts';

/** What has to be written; nothing when the status reads as wanted. Addresses are whoever deploys the gateway's to write. */
export function gatewayWrites(gateway: Gateway, plan: GatewayPlan): readonly StatusWrite[] {
  const { namespace, name, generation } = gateway.metadata;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const conditions = gatewayConditions(gateway, plan).map((condition) => ({ ...condition, ...observed }));
  const own = plan.listeners.filter(({ planned }) => planned.owner.kind === 'Gateway');
  const listeners = own.map((report) => listenerWrite(report, generation));
  const attached = plan.sets.filter((judged) => isAttached(judged, plan.listeners)).length;
  const { status } = gateway;
  const isAsWanted =
    conditionsRead(status.conditions, conditions) &&
    // Left over from a time when clients without a certificate were let in.
    (status.conditions.every(({ type }) => type !== insecureFallback) ||
      conditions.some(({ type }) => type === insecureFallback)) &&
    (status.attachedListenerSets ?? 0) === attached &&
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
      conditions: withTimes(status.conditions, conditions),
      listeners: listeners.map((wanted) => {
        const present = status.listeners.find((listener) => listener.name === wanted.name);
        return { ...wanted, conditions: withTimes(present?.conditions ?? [], wanted.conditions) };
      }),
      ...(attached === 0 ? {} : { attachedListenerSets: attached }),
    },
  ];
}

const insecureFallback = 'InsecureFrontendValidationMode';

function gatewayConditions(gateway: Gateway, plan: GatewayPlan): readonly DesiredCondition[] {
  const own = plan.listeners.filter(({ planned }) => planned.owner.kind === 'Gateway');
  const bad = own.filter(({ planned }) => refusal(planned) !== undefined).length;
  // A gateway may have all its listeners from sets.
  const isServing = own.length > bad || plan.listeners.some(({ planned }) => planned.isServed);
  const accepted = refusalOf(gateway, plan) ?? acceptance(own.length, bad, isServing);
  return [
    accepted,
    programmed(gateway, accepted),
    resolution(plan.backendCertificateProblem),
    ...insecureFallbackCondition(gateway),
  ];
}

/** What is wrong with the Gateway itself, beyond its listeners. */
function refusalOf({ spec }: Gateway, { deploymentProblem }: GatewayPlan): DesiredCondition | undefined {
  if (deploymentProblem !== undefined) {
    const { reason, message } = deploymentProblem;
    return { type: 'Accepted', status: 'False', reason, message };
  }
  const odd = spec.addresses.find(({ type }) => type !== 'IPAddress' && type !== 'Hostname');
  if (odd === undefined) return undefined;
  const message = `an address cannot be of type ${odd.type}; use IPAddress, or Hostname with the name of a Service`;
  return { type: 'Accepted', status: 'False', reason: 'UnsupportedAddress', message };
}

function acceptance(count: number, bad: number, isServing: boolean): DesiredCondition {
  if (bad === 0)
    return { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'all listeners can be served' };
  return {
    type: 'Accepted',
    status: isServing ? 'True' : 'False',
    reason: 'ListenersNotValid',
    message: `${bad} of ${count} listeners cannot be served; see their conditions`,
  };
}

function programmed(gateway: Gateway, accepted: DesiredCondition): DesiredCondition {
  const type = 'Programmed';
  if (accepted.status === 'False')
    return { type, status: 'False', reason: 'Invalid', message: 'the gateway is not accepted' };
  const missing = gateway.spec.addresses.filter(
    (wanted) =>
      wanted.type === 'IPAddress' &&
      wanted.value !== '' &&
      gateway.status.addresses.every(({ value }) => value !== wanted.value),
  );
  if (missing.length > 0) {
    const message = `the load balancer does not give ${missing.map(({ value }) => value).join(', ')}`;
    return { type, status: 'False', reason: 'AddressNotUsable', message };
  }
  if (gateway.status.addresses.length > 0) {
    return { type, status: 'True', reason: 'Programmed', message: 'the gateway has an address' };
  }
  return { type, status: 'False', reason: 'AddressNotAssigned', message: 'the gateway has no address yet' };
}

/** References of the gateway itself; those of listeners have conditions of their own. */
function resolution(problem: MaterialProblem | undefined): DesiredCondition {
  const type = 'ResolvedRefs';
  if (problem === undefined)
    return { type, status: 'True', reason: 'ResolvedRefs', message: 'all references can be used' };
  const { reason, message } = problem;
  return {
    type,
    status: 'False',
    reason: reason === 'RefNotPermitted' ? reason : 'InvalidClientCertificateRef',
    message,
  };
}

/** Told as long as some port lets clients in whose certificate is missing or bad. */
function insecureFallbackCondition({ spec: { clientValidation } }: Gateway): readonly DesiredCondition[] {
  const { common, perPort } = clientValidation;
  const isInsecure = [common, ...perPort.map(({ validation }) => validation)].some(
    (validation) => validation?.mode === 'AllowInsecureFallback',
  );
  const message = 'clients whose certificate is missing or bad are let in on some port, without an identity';
  return isInsecure ? [{ type: insecureFallback, status: 'True', reason: 'ConfigurationChanged', message }] : [];
}
