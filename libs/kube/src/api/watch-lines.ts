import { KubeError } from './kube-error.ts';

/** Larger than any object etcd takes (1.5 MiB), with room for what the JSON form adds. */
export const MAX_EVENT_BYTES: number = 16 * 1024 * 1024;

const NEWLINE = 0x0a;

/**
 * Cuts a byte stream into JSON lines. `push` gives the values of all lines that ended; the rest stays inside, up to
 * `maxBytes`. Throws KubeError `TOO_LARGE` or `MALFORMED`; it cannot be used after that.
 */
export class WatchLines {
  readonly #maxBytes: number;
  #rest: Uint8Array[] = [];
  #restBytes = 0;

  constructor(maxBytes: number = MAX_EVENT_BYTES) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Uint8Array): readonly unknown[] {
    const values: unknown[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = this.#line(chunk.subarray(start, end));
      if (line.length > 0) values.push(parse(line));
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
    return values;
  }

  #line(end: Uint8Array): Uint8Array {
    if (this.#restBytes === 0) return end;
    this.#keep(end);
    const line = Buffer.concat(this.#rest, this.#restBytes);
    this.#rest = [];
    this.#restBytes = 0;
    return line;
  }

  #keep(part: Uint8Array): void {
    this.#restBytes += part.length;
    if (this.#restBytes > this.#maxBytes) {
      throw new KubeError('TOO_LARGE', `the API server sent an event larger than ${this.#maxBytes} bytes`);
    }
    this.#rest.push(part);
  }
}

function parse(line: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(line.buffer, line.byteOffset, line.length).toString('utf8'));
  } catch (cause) {
    throw new KubeError('MALFORMED', 'the API server sent an event that is not JSON', { cause });
  }
}
