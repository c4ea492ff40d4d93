import assert from 'node:assert/strict';
import {
  defaultHttp1Limits,
  type Http1Breach,
  Http1Decoder,
  Http1Error,
  type Http1Head,
  type Http1Sink,
} from '../../index.ts';

export interface Message {
  readonly start: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly isPersistent: boolean;
  body: string;
  isComplete: boolean;
}

export class Recorder implements Http1Sink {
  readonly messages: Message[] = [];
  readonly informational: number[] = [];

  onHead(head: Http1Head): void {
    const fields = Array.from(
      { length: head.fields.count },
      (_, i) => [head.fields.name(i), head.fields.value(i)] as const,
    );
    const start = head.status === 0 ? `${head.method} ${head.target}` : String(head.status);
    this.messages.push({ start, fields, isPersistent: head.isPersistent, body: '', isComplete: false });
  }

  onInformational(head: Http1Head): void {
    this.informational.push(head.status);
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    assert.ok(length > 0);
    const message = this.messages.at(-1);
    assert.ok(message !== undefined);
    message.body += Buffer.from(buffer.subarray(offset, offset + length)).toString('latin1');
  }

  onEnd(): void {
    const message = this.messages.at(-1);
    assert.ok(message !== undefined);
    message.isComplete = true;
  }
}

export function decodeRequests(text: string, cuts: readonly number[] = []): Recorder {
  const recorder = new Recorder();
  feed(new Http1Decoder('request', recorder, defaultHttp1Limits), text, cuts);
  return recorder;
}

export function decodeResponse(text: string, method: string, isClosed = false, cuts: readonly number[] = []): Recorder {
  const recorder = new Recorder();
  const decoder = new Http1Decoder('response', recorder, defaultHttp1Limits);
  decoder.expectResponse(method);
  feed(decoder, text, cuts);
  if (isClosed) decoder.end();
  return recorder;
}

export function feed(decoder: Http1Decoder, text: string, cuts: readonly number[]): void {
  const bytes = Buffer.from(text, 'latin1');
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  let at = 0;
  for (const end of ends) {
    while (at < end) at = decoder.push(bytes, at, end);
  }
}

export function breachOf(run: () => unknown): Http1Breach | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Http1Error, String(error));
    return error.breach;
  }
}
