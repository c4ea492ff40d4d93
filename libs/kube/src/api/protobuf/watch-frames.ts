import { KubeError } from '../kube-error.ts';
import { MAX_EVENT_BYTES } from '../watch-lines.ts';
import { bytes, message, readMessage, shape, text } from './message-shape.ts';
import { orMalformed, readEnvelope } from './object-envelope.ts';

/** Length of what follows, big-endian. */
const PREFIX = 4;
const RAW = shape({ 1: bytes('raw') });
const EVENT = shape({ 1: text('type'), 2: message('object', RAW) });

/**
 * Cuts a byte stream into the events of a watch, each behind its length. `push` gives all events that ended, in the form
 * that JSON would have; the rest stays inside, up to `maxBytes`. Throws KubeError `TOO_LARGE` or `MALFORMED`; it cannot be
 * used after that. Spec: meta/v1 WatchEvent; client-go, streaming serialisers.
 */
export class WatchFrames {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #held = 0;
  /** Bytes that must be there before anything can be done. */
  #wanted = PREFIX;

  constructor(maxBytes: number = MAX_EVENT_BYTES) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Uint8Array): readonly unknown[] {
    this.#parts.push(chunk);
    this.#held += chunk.length;
    if (this.#held < this.#wanted) return [];
    const events: unknown[] = [];
    let rest = this.#take();
    for (let end = this.#endOf(rest); end <= rest.length; end = this.#endOf(rest)) {
      events.push(readEvent(rest.subarray(PREFIX, end)));
      rest = rest.subarray(end);
    }
    if (rest.length > 0) this.#parts.push(rest);
    this.#held = rest.length;
    return events;
  }

  #take(): Buffer {
    const all = Buffer.concat(this.#parts, this.#held);
    this.#parts = [];
    return all;
  }

  /** Where the first frame ends; beyond `from` when it is not complete. */
  #endOf(from: Buffer): number {
    this.#wanted = PREFIX;
    if (from.length < PREFIX) return Number.POSITIVE_INFINITY;
    const length = from.readUInt32BE(0);
    if (length > this.#maxBytes) {
      throw new KubeError('TOO_LARGE', `the API server sent an event larger than ${this.#maxBytes} bytes`);
    }
    this.#wanted = PREFIX + length;
    return this.#wanted;
  }
}

function readEvent(from: Uint8Array): unknown {
  const event = orMalformed(() => readMessage(from, EVENT));
  const { object } = event;
  const raw = typeof object === 'object' && object !== null && 'raw' in object ? object.raw : undefined;
  return { type: event['type'], object: readEnvelope(raw instanceof Uint8Array ? raw : new Uint8Array()) };
}
