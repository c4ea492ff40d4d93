/**
 * `initial_resource_versions` as it came: 50,000 names of a reconnecting client are compared with the store without
 * being kept as objects. Lives as long as the request's bytes.
 */
import { bytesTag, WireReader } from './wire-format.ts';

const ENTRY_KEY = bytesTag(1);
const ENTRY_VALUE = bytesTag(2);

/** Numbers in `spans` for one entry: start and end of its name, start and end of its version. */
const STRIDE = 4;

/** Pairs of resource name and version that a client says it holds. A `Map` is one too. */
export interface VersionList extends Iterable<readonly [name: string, version: string]> {
  readonly size: number;
}

export class EncodedVersions implements VersionList {
  readonly #bytes: Buffer;
  readonly #spans: readonly number[];

  /** `spans` as {@link EncodedVersions.readEntry} fills it. */
  constructor(bytes: Uint8Array, spans: readonly number[]) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#spans = spans;
  }

  get size(): number {
    return this.#spans.length / STRIDE;
  }

  *[Symbol.iterator](): Generator<readonly [name: string, version: string], void, undefined> {
    const text = (index: number): string =>
      this.#bytes.toString('utf8', this.#spans[index] ?? 0, this.#spans[index + 1] ?? 0);
    for (let i = 0; i < this.#spans.length; i += STRIDE) yield [text(i), text(i + 2)];
  }

  /** Checks one map entry at `span` and notes where its texts are. Throws `XdsError` `MALFORMED`. */
  static readEntry(bytes: Uint8Array, [start, end]: readonly [number, number], spans: number[]): void {
    const reader = new WireReader(bytes, start, end);
    let name: readonly [number, number] = [start, start];
    let version: readonly [number, number] = [start, start];
    while (!reader.isDone) {
      const tag = reader.tag();
      if (tag === ENTRY_KEY) name = reader.span();
      else if (tag === ENTRY_VALUE) version = reader.span();
      else reader.skip(tag);
    }
    spans.push(name[0], name[1], version[0], version[1]);
  }
}
