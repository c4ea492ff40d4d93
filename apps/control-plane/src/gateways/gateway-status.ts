/** What the status of a waypoint's Gateway should say. Pure. Spec: control-plane.md section 4.6, l7.md section 1. */
import { isDeepStrictEqual } from 'node:util';
import type { PlainObject } from '@ambit/kube';
import type { AddressObject, GatewayObject, ListenerObject } from './gateway-object.ts';
import { objectsAt, textAt } from './gateway-object.ts';

/** The Service of the gateway, as it is now. */
export interface GatewayServiceFacts {
  /** Virtual addresses; empty while none is assigned. */
  readonly addresses: readonly string[];
  readonly hostname: string;
  /** Whether an endpoint is ready. */
  readonly isServed: boolean;
}

export interface GatewayStatusInput {
  readonly gateway: GatewayObject;
  /** Undefined: there is no Service. */
  readonly service: GatewayServiceFacts | undefined;
  /** Why the parameters cannot be used. */
  readonly parameterProblem: string | undefined;
  /** Names that are taken by objects of others. */
  readonly taken: readonly string[];
  /** RFC 3339. */
  readonly now: string;
}

interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

const HBONE_PORT = 15_008;

/** The fields to apply under `status`; undefined when the Gateway reads so already. */
export function waypointStatus(input: GatewayStatusInput): PlainObject | undefined {
  const { gateway, now } = input;
  const accepted = acceptance(input);
  const programmed = programming(input, accepted);
  const listeners = gateway.listeners.map((listener) => listenerStatus(listener, gateway, programmed, now));
  const status = {
    addresses: statusAddresses(input),
    conditions: [accepted, programmed].map((condition) =>
      timed(condition, gateway.status.conditions, gateway.generation, now),
    ),
    listeners,
  };
  const { addresses, conditions, listeners: present } = gateway.status;
  const isAsWanted =
    isDeepStrictEqual(addresses, status.addresses) &&
    status.conditions.every((wanted) => conditions.some((is) => isDeepStrictEqual(is, wanted))) &&
    isDeepStrictEqual(present, listeners);
  return isAsWanted ? undefined : status;
}

function acceptance({ gateway, parameterProblem, taken }: GatewayStatusInput): Condition {
  const refuse = (reason: string, message: string): Condition => ({
    type: 'Accepted',
    status: 'False',
    reason,
    message,
  });
  if (parameterProblem !== undefined) return refuse('InvalidParameters', parameterProblem);
  if (taken.length > 0) {
    return refuse(
      'Invalid',
      `${taken.join(', ')} exists and belongs to somebody else; rename the Gateway or remove it`,
    );
  }
  const odd = gateway.wantedAddresses.find(({ type }) => type !== 'Hostname');
  if (odd !== undefined) {
    return refuse('UnsupportedAddress', `address type ${odd.type} is not supported; only Hostname, of a Service`);
  }
  const bad = gateway.listeners.filter((listener) => !isMeshListener(listener));
  if (bad.length > 0 || gateway.listeners.length === 0) {
    return refuse('ListenersNotValid', 'a waypoint has exactly one listener, protocol HBONE on port 15008');
  }
  return { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'Resource accepted' };
}

function isMeshListener({ port, protocol }: ListenerObject): boolean {
  return protocol === 'HBONE' && port === HBONE_PORT;
}

function programming({ service }: GatewayStatusInput, accepted: Condition): Condition {
  const type = 'Programmed';
  if (accepted.status === 'False') {
    return { type, status: 'False', reason: 'Invalid', message: 'the Gateway is not accepted' };
  }
  if (service === undefined || service.addresses.length === 0) {
    return { type, status: 'False', reason: 'AddressNotAssigned', message: 'no address has been assigned yet' };
  }
  if (!service.isServed) {
    const message = `no instances found for hostname "${service.hostname}"`;
    return { type, status: 'False', reason: 'AddressNotAssigned', message };
  }
  const message = `Resource programmed, assigned to service(s) ${service.hostname}:${HBONE_PORT}`;
  return { type, status: 'True', reason: 'Programmed', message };
}

/**
 * Addresses once written stay: without them bound services would go around their waypoint. First written when a pod is
 * ready, so that nothing is bound to a waypoint that never ran.
 */
function statusAddresses({ gateway, service }: GatewayStatusInput): readonly AddressObject[] {
  if (service === undefined || service.addresses.length === 0 || !service.isServed) return gateway.status.addresses;
  const wanted = gateway.annotations['networking.istio.io/address-type'];
  const addresses = [
    ...service.addresses.slice(0, 1).map((value) => ({ type: 'IPAddress', value })),
    { type: 'Hostname', value: service.hostname },
  ];
  return addresses.filter(({ type }) => wanted === undefined || type === wanted);
}

function listenerStatus(
  listener: ListenerObject,
  { generation, status }: GatewayObject,
  programmed: Condition,
  now: string,
): PlainObject {
  const present = status.listeners.find((known) => textAt(known, 'name') === listener.name);
  const isMesh = isMeshListener(listener);
  const ok = (type: string, reason: string): Condition => ({
    type,
    status: 'True',
    reason,
    message: 'No errors found',
  });
  const accepted: Condition = isMesh
    ? ok('Accepted', 'Accepted')
    : {
        type: 'Accepted',
        status: 'False',
        reason: 'UnsupportedProtocol',
        message: `${listener.protocol} on port ${listener.port} is not served by a waypoint; use HBONE on 15008`,
      };
  const isProgrammed = isMesh && programmed.status === 'True';
  const conditions: readonly Condition[] = [
    accepted,
    { type: 'Conflicted', status: 'False', reason: 'NoConflicts', message: 'No errors found' },
    isProgrammed
      ? ok('Programmed', 'Programmed')
      : { type: 'Programmed', status: 'False', reason: isMesh ? 'Pending' : 'Invalid', message: programmed.message },
    ok('ResolvedRefs', 'ResolvedRefs'),
  ];
  return {
    attachedRoutes: 0,
    conditions: conditions.map((condition) =>
      timed(condition, present === undefined ? [] : objectsAt(present, 'conditions'), generation, now),
    ),
    name: listener.name,
    supportedKinds: [],
  };
}

/** With the generation that was judged; the time changes with the status only. */
function timed(
  condition: Condition,
  present: readonly PlainObject[],
  observedGeneration: number,
  now: string,
): PlainObject {
  const before = present.find(({ type, status }) => type === condition.type && status === condition.status);
  const since = before === undefined ? '' : textAt(before, 'lastTransitionTime');
  return { ...condition, lastTransitionTime: since === '' ? now : since, observedGeneration };
}
