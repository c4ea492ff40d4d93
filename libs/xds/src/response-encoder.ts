/**
 * Makes responses, each distinct one once: streams that are owed the same share one buffer, nonce included, because a
 * nonce has to differ only from the others of its stream. Spec: control-plane.md section 1.8.
 */
import { gzip } from 'node:zlib';
import { FRAME_PREFIX_BYTES, putFramePrefix } from '@ambit/grpc';
import { encodeResponse, type WritableResource } from './delta-response.ts';
import type { ResourceStore } from './resource-store.ts';
import { SendBudget } from './send-budget.ts';

/** One response, ready for any stream. */
export class EncodedResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  /** gRPC's prefix and the message. */
  readonly frame: Uint8Array;
  readonly resources: number;
  readonly removed: number;
  /** The same compressed with gzip: for full answers, when a client that can read it asked for one. */
  compressedFrame: Uint8Array | undefined;
  /** Streams that are still taking it. */
  readers = 0;

  constructor(typeUrl: string, nonce: string, frame: Uint8Array, resources: number, removed: number) {
    this.typeUrl = typeUrl;
    this.nonce = nonce;
    this.frame = frame;
    this.resources = resources;
    this.removed = removed;
  }

  /** Length of what a stream is sent. */
  bytesFor(acceptsGzip: boolean): number {
    return ((acceptsGzip ? this.compressedFrame : undefined) ?? this.frame).length;
  }

  /** The encoded `DeltaDiscoveryResponse`: a view. */
  get message(): Uint8Array {
    return this.frame.subarray(FRAME_PREFIX_BYTES);
  }
}

/** What streams are owed that have everything up to some generation. */
export interface EncodedChanges {
  readonly updates: EncodedResponse | undefined;
  /** Separate from the updates when the type's removals come last. */
  readonly removals: EncodedResponse | undefined;
}

/** Everything of one type as it was at a generation. */
export interface EncodedSnapshot {
  readonly generation: number;
  readonly response: EncodedResponse;
}

export interface ResponseEncoderOptions {
  readonly store: ResourceStore;
  /** Makes nonces unlike those of other servers. */
  readonly nonceSource: string;
  /** Sent as `system_version_info`. */
  readonly systemVersion: () => string;
  /** Bytes of responses that slow streams may make the server keep before the slow ones have to wait; default 256 MiB. */
  readonly maxPinnedBytes?: number;
  /** Bytes of large answers that transports hold before further ones have to wait; default 32 MiB. */
  readonly maxSendingBytes?: number;
  /** Streams that wait can be flushed: a snapshot is compressed, or there is room again. */
  readonly onReady?: () => void;
}

/** Smaller answers are sent as they are. */
const COMPRESSED_BYTES = 64 * 1024;

/** Against level 1: a fifth fewer bytes for every client, for twice the time once, on another thread. */
const COMPRESSION_LEVEL = 5;

/** An old snapshot with what changed since is sent as long as that is less than this part of the resources. */
const SNAPSHOT_CHANGED_PART = 0.1;

export class ResponseEncoder {
  /** The store's generation when the last round of pushes but one began: streams that have it are in step. */
  lastRound = 0;
  /** Room in the transports of all streams. */
  readonly sending: SendBudget;
  readonly #options: ResponseEncoderOptions;
  readonly #maxPinnedBytes: number;
  readonly #snapshots = new Map<string, EncodedSnapshot>();
  /** By type and by the generation of the streams that are owed them. */
  readonly #changes = new Map<string, Map<number, EncodedChanges>>();
  readonly #compressing = new Set<EncodedResponse>();
  /** Types whose snapshot was asked for since they were last dropped. */
  readonly #wanted = new Set<string>();
  #changesGeneration = 0;
  #encoded = 0;
  #pinnedBytes = 0;
  #isRoomWanted = false;

  constructor(options: ResponseEncoderOptions) {
    this.#options = options;
    this.#maxPinnedBytes = options.maxPinnedBytes ?? 256 * 1024 * 1024;
    this.sending = new SendBudget(options.maxSendingBytes ?? 32 * 1024 * 1024, () => options.onReady?.());
  }

  /** Responses made so far; those that were sent to many streams count once. */
  get encoded(): number {
    return this.#encoded;
  }

  /** Bytes of responses that streams are still taking. */
  get pinnedBytes(): number {
    return this.#pinnedBytes;
  }

  /** Slow streams make the server keep as much as they may. */
  get isFull(): boolean {
    return this.#pinnedBytes > this.#maxPinnedBytes;
  }

  /** May a stream be made a response of its own? If not, `onReady` tells when to ask again. */
  hasRoom(): boolean {
    if (this.#pinnedBytes <= this.#maxPinnedBytes) return true;
    this.#isRoomWanted = true;
    return false;
  }

  /** A response for one stream. */
  single(
    typeUrl: string,
    encodedResources: readonly (Uint8Array | WritableResource)[],
    removed: readonly string[],
  ): EncodedResponse {
    this.#encoded += 1;
    const nonce = `${this.#options.nonceSource}-${this.#encoded}`;
    const systemVersionInfo = this.#options.systemVersion();
    const frame = encodeResponse({ typeUrl, nonce, systemVersionInfo, encodedResources, removed }, FRAME_PREFIX_BYTES);
    putFramePrefix(frame, frame.length - FRAME_PREFIX_BYTES);
    return new EncodedResponse(typeUrl, nonce, frame, encodedResources.length, removed.length);
  }

  /** What changed after `generation`, as the store has it now; undefined when nothing did. */
  changesSince(typeUrl: string, generation: number): EncodedChanges | undefined {
    const { store } = this.#options;
    const log = store.changes(typeUrl);
    if (log === undefined || !log.hasSince(generation)) return undefined;
    if (this.#changesGeneration !== store.generation) {
      for (const known of this.#changes.values()) known.clear();
      this.#changesGeneration = store.generation;
    }
    let known = this.#changes.get(typeUrl);
    if (known === undefined) this.#changes.set(typeUrl, (known = new Map()));
    let changes = known.get(generation);
    if (changes !== undefined) return changes;
    const { mark, names } = log.since(generation);
    // Generations that are owed the same names share a response; a mark is a generation too.
    changes = known.get(mark - 1) ?? this.#encodeChanges(typeUrl, names);
    known.set(mark - 1, changes).set(generation, changes);
    return changes;
  }

  /** Everything of a type, perhaps as it was a moment ago: what changed since then has to follow. */
  snapshot(typeUrl: string): EncodedSnapshot {
    const { store } = this.#options;
    // Types are named by clients: only those of the store are worth a place.
    const isKnown = store.changes(typeUrl) !== undefined;
    if (isKnown) this.#wanted.add(typeUrl);
    const kept = this.#snapshots.get(typeUrl);
    if (kept !== undefined && this.#isUsable(typeUrl, kept)) return kept;
    const all = [...store.all(typeUrl).values()];
    const snapshot = { generation: store.generation, response: this.single(typeUrl, all, []) };
    if (isKnown) this.#snapshots.set(typeUrl, snapshot);
    return snapshot;
  }

  /**
   * Is a snapshot ready for a client that reads gzip? If not it soon is, or the next one. It takes a tenth of the bytes,
   * which is what a thousand clients that start together wait for.
   */
  isCompressed(response: EncodedResponse): boolean {
    const { frame } = response;
    if (frame.length < COMPRESSED_BYTES || response.compressedFrame !== undefined) return true;
    if (this.#compressing.has(response)) return false;
    this.#compressing.add(response);
    gzip(response.message, { level: COMPRESSION_LEVEL }, (error, bytes) => {
      this.#compressing.delete(response);
      const compressed = error === null ? Buffer.allocUnsafeSlow(FRAME_PREFIX_BYTES + bytes.length) : frame;
      if (error === null) {
        putFramePrefix(compressed, bytes.length, true);
        bytes.copy(compressed, FRAME_PREFIX_BYTES);
      }
      response.compressedFrame = compressed;
      this.#options.onReady?.();
    });
    return false;
  }

  /** The oldest generation whose changes are still needed for a kept snapshot. */
  get oldestSnapshot(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...[...this.#snapshots.values()].map(({ generation }) => generation));
  }

  /** Lets go of snapshots that nobody asked for since the last call; streams that take one keep it until they have it. */
  dropSnapshots(): void {
    for (const [typeUrl, { response }] of this.#snapshots) {
      if (!this.#compressing.has(response) && !this.#wanted.has(typeUrl)) this.#snapshots.delete(typeUrl);
    }
    this.#wanted.clear();
  }

  /** A stream did not take a response at once: it is kept until {@link unpin}. */
  pin(response: EncodedResponse): void {
    if (response.readers === 0) this.#pinnedBytes += response.frame.length;
    response.readers += 1;
  }

  unpin(response: EncodedResponse): void {
    response.readers -= 1;
    if (response.readers === 0) this.#pinnedBytes -= response.frame.length;
    if (!this.#isRoomWanted || this.#pinnedBytes > this.#maxPinnedBytes) return;
    this.#isRoomWanted = false;
    this.#options.onReady?.();
  }

  #isUsable(typeUrl: string, { generation, response }: EncodedSnapshot): boolean {
    const { store } = this.#options;
    if (generation === store.generation) return true;
    if (this.#compressing.has(response)) return true;
    const changed = store.changes(typeUrl)?.since(generation).names.size ?? 0;
    return changed <= store.all(typeUrl).size * SNAPSHOT_CHANGED_PART;
  }

  #encodeChanges(typeUrl: string, names: ReadonlySet<string>): EncodedChanges {
    const { store } = this.#options;
    const resources: WritableResource[] = [];
    const removed: string[] = [];
    for (const name of names) {
      const resource = store.get(typeUrl, name);
      if (resource === undefined) removed.push(name);
      else resources.push(resource);
    }
    const removesLast = store.types.find((type) => type.typeUrl === typeUrl)?.removals === 'last';
    const together = removesLast ? [] : removed;
    return {
      updates: resources.length + together.length === 0 ? undefined : this.single(typeUrl, resources, together),
      removals: removesLast && removed.length > 0 ? this.single(typeUrl, [], removed) : undefined,
    };
  }
}
