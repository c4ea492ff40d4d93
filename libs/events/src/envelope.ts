/** The bytes of one event on any bus: JSON with who and when around the payload. Pure and bounded. */
import { type EventName, type EventPayload, eventSchemas, isEventName } from './event-catalogue.ts';
import { EventError } from './event-error.ts';
import { isObject, number, text } from './payload-schema.ts';

/** Largest event, in bytes; larger ones are neither sent nor read. */
export const MAX_EVENT_BYTES: number = 64 * 1024;

export interface Envelope<E extends EventName = EventName> {
  readonly event: E;
  /** Who published, such as `ztunnel/node1`. */
  readonly source: string;
  readonly wallTimeMs: number;
  /** Counts the source's events from 1: a gap says that some were dropped. */
  readonly sequence: number;
  readonly payload: EventPayload<E>;
}

/** Throws EventError `MALFORMED` when the payload does not fit its schema or the bound. */
export function encodeEnvelope(envelope: Envelope): Uint8Array {
  // Reading what we write keeps a publisher from sending what every subscriber would refuse.
  const payload = eventSchemas[envelope.event](envelope.payload, 'payload');
  const bytes = Buffer.from(JSON.stringify({ ...envelope, payload }));
  if (bytes.length > MAX_EVENT_BYTES) throw new EventError('MALFORMED', `event of ${bytes.length} bytes`);
  return bytes;
}

/** Throws EventError `MALFORMED`. */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  if (bytes.length > MAX_EVENT_BYTES) throw new EventError('MALFORMED', `event of ${bytes.length} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new EventError('MALFORMED', 'an event is not JSON', cause);
  }
  if (!isObject(value)) throw new EventError('MALFORMED', 'an event is not an object');
  const event = text(64)(value['event'], 'event');
  if (!isEventName(event)) throw new EventError('MALFORMED', `unknown event ${event}`);
  return {
    event,
    source: text()(value['source'], 'source'),
    wallTimeMs: number(value['wallTimeMs'], 'wallTimeMs'),
    sequence: number(value['sequence'], 'sequence'),
    payload: eventSchemas[event](value['payload'], 'payload'),
  };
}
