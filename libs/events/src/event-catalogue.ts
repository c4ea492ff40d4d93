/**
 * Every event of the mesh with its payload: the contract between apps on the bus.
 * Subjects are `ambit.v1.<event>`, and `ambit.v1.<event>.<key>` for keyed events. Fields are only ever added.
 * Spec: design.md decision 3.
 */
import { flag, number, oneOf, type Reader, record, text } from './payload-schema.ts';

export interface EventPayloads {
  /** A pod was captured, released, or found broken. */
  readonly 'enrolment.changed': {
    readonly node: string;
    readonly podUid: string;
    readonly namespace: string;
    readonly name: string;
    readonly state: 'enrolled' | 'removed' | 'broken' | 'repaired';
    readonly reason: string;
  };
  /** The CA signed a certificate. */
  readonly 'cert.issued': {
    readonly identity: string;
    readonly caller: string;
    readonly serialNumber: string;
    readonly notAfterWallTimeMs: number;
  };
  /** A step of a root rotation. */
  readonly 'root.rotated': {
    readonly phase: 'added' | 'signing' | 'removed';
    readonly rootSha256: string;
    readonly trustDomain: string;
  };
  /** The control plane published a new state. */
  readonly 'config.published': {
    readonly generation: number;
    readonly changed: number;
    readonly removed: number;
    readonly replica: string;
  };
  /** A finished connection, sampled; keyed by node. */
  readonly flow: {
    readonly node: string;
    readonly reporter: 'source' | 'destination';
    readonly sourceIdentity: string;
    readonly sourceWorkload: string;
    readonly sourceAddress: string;
    readonly destinationIdentity: string;
    readonly destinationWorkload: string;
    readonly destinationService: string;
    readonly destinationAddress: string;
    readonly bytesSent: number;
    readonly bytesReceived: number;
    readonly durationMs: number;
    readonly responseFlags: string;
  };
  /** Policy refused or closed a connection. */
  readonly 'policy.denied': {
    readonly node: string;
    readonly sourceIdentity: string;
    readonly sourceAddress: string;
    readonly destinationWorkload: string;
    readonly destinationAddress: string;
    readonly policy: string;
    readonly reason: string;
    readonly isLate: boolean;
  };
}

export type EventName = keyof EventPayloads;
export type EventPayload<E extends EventName> = EventPayloads[E];

/** How each payload is read and bounded. */
export const eventSchemas: { readonly [E in EventName]: Reader<EventPayload<E>> } = {
  'enrolment.changed': record({
    node: text(253),
    podUid: text(64),
    namespace: text(63),
    name: text(253),
    state: oneOf('enrolled', 'removed', 'broken', 'repaired'),
    reason: text(),
  }),
  'cert.issued': record({
    identity: text(2_048),
    caller: text(2_048),
    serialNumber: text(64),
    notAfterWallTimeMs: number,
  }),
  'root.rotated': record({
    phase: oneOf('added', 'signing', 'removed'),
    rootSha256: text(64),
    trustDomain: text(253),
  }),
  'config.published': record({ generation: number, changed: number, removed: number, replica: text(253) }),
  flow: record({
    node: text(253),
    reporter: oneOf('source', 'destination'),
    sourceIdentity: text(2_048),
    sourceWorkload: text(),
    sourceAddress: text(64),
    destinationIdentity: text(2_048),
    destinationWorkload: text(),
    destinationService: text(),
    destinationAddress: text(64),
    bytesSent: number,
    bytesReceived: number,
    durationMs: number,
    responseFlags: text(64),
  }),
  'policy.denied': record({
    node: text(253),
    sourceIdentity: text(2_048),
    sourceAddress: text(64),
    destinationWorkload: text(),
    destinationAddress: text(64),
    policy: text(),
    reason: text(),
    isLate: flag,
  }),
};

/** Events that carry a key as the last part of their subject. */
const KEYED: ReadonlySet<EventName> = new Set<EventName>(['flow']);
const PREFIX = 'ambit.v1.';

export function isEventName(name: string): name is EventName {
  return Object.hasOwn(eventSchemas, name);
}

/** Subject to publish on. Dots and blanks of a key become `_`, because they would split or end the subject. */
export function subjectOf(event: EventName, key: string): string {
  return KEYED.has(event) ? `${PREFIX}${event}.${key.replace(/[^\w-]/g, '_') || '_'}` : `${PREFIX}${event}`;
}

/** Pattern that matches all subjects of an event. */
export function patternOf(event: EventName): string {
  return KEYED.has(event) ? `${PREFIX}${event}.*` : `${PREFIX}${event}`;
}
