/**
 * Frames of the unix-socket bus: length (4 bytes, big endian, of what follows), kind (1), subject length (2), subject,
 * payload. Pure, incremental, bounded; a decoder that failed cannot be used again.
 */
import { MAX_EVENT_BYTES } from './envelope.ts';
import { EventError } from './event-error.ts';

export const frameKinds = { publish: 1, subscribe: 2, unsubscribe: 3, message: 4 } as const;
export type FrameKind = (typeof frameKinds)[keyof typeof frameKinds];

export interface BusFrame {
  readonly kind: FrameKind;
  /** Subject, or pattern of a subscription. */
  readonly subject: string;
  /** A copy. */
  readonly payload: Uint8Array;
}

const LENGTH_BYTES = 4;
const HEAD_BYTES = 3;
const MAX_SUBJECT_BYTES = 512;
const MAX_FRAME_BYTES = HEAD_BYTES + MAX_SUBJECT_BYTES + MAX_EVENT_BYTES;

export function encodeFrame(kind: FrameKind, subject: string, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const subjectBytes = Buffer.byteLength(subject);
  const frame = Buffer.alloc(LENGTH_BYTES + HEAD_BYTES + subjectBytes + payload.length);
  frame.writeUInt32BE(HEAD_BYTES + subjectBytes + payload.length, 0);
  frame.writeUInt8(kind, 4);
  frame.writeUInt16BE(subjectBytes, 5);
  frame.write(subject, 7);
  frame.set(payload, 7 + subjectBytes);
  return frame;
}

export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** All frames that are complete now. Throws EventError `MALFORMED`. */
  push(chunk: Buffer): readonly BusFrame[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: BusFrame[] = [];
    let at = 0;
    while (this.#rest.length - at >= LENGTH_BYTES) {
      const length = this.#rest.readUInt32BE(at);
      if (length < HEAD_BYTES || length > MAX_FRAME_BYTES) throw malformed('length');
      const end = at + LENGTH_BYTES + length;
      if (this.#rest.length < end) break;
      frames.push(readFrame(this.#rest.subarray(at + LENGTH_BYTES, end)));
      at = end;
    }
    this.#rest = this.#rest.subarray(at);
    return frames;
  }
}

function readFrame(bytes: Buffer): BusFrame {
  const kind = Object.values(frameKinds).find((known) => known === bytes.readUInt8(0));
  const subjectEnd = HEAD_BYTES + bytes.readUInt16BE(1);
  if (kind === undefined) throw malformed('kind');
  if (subjectEnd > bytes.length || subjectEnd > HEAD_BYTES + MAX_SUBJECT_BYTES) throw malformed('subject length');
  const subject = bytes.toString('utf8', HEAD_BYTES, subjectEnd);
  return { kind, subject, payload: Uint8Array.from(bytes.subarray(subjectEnd)) };
}

function malformed(what: string): EventError {
  return new EventError('MALFORMED', `bad frame on the bus socket: ${what}`);
}
