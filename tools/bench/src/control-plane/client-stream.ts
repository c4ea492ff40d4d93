/**
 * One xDS client: a gRPC stream with as little work as the protocol allows, so that a thousand fit into a process.
 * Full answers are counted and acknowledged, not kept; pushes are handed on.
 */
import { gunzipSync } from 'node:zlib';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import {
  ACCEPT_ENCODING,
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  encodeRequest,
  scanResponse,
  ztunnelNode,
} from '@ambit/xds';
import { nodeName, proxyName, SYSTEM_NAMESPACE } from './mesh-objects.ts';

const METHOD = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
const PREFIX = 5;
/** Type and nonce of a full answer are in its last bytes. */
const TAIL = 1_024;

export interface ClientStreamEvents {
  /** The first answer of a type; `message` only when asked for. */
  first(client: number, typeUrl: string, bytes: number, message: Uint8Array | undefined): void;
  push(nonce: string, message: Uint8Array): void;
  failed(client: number, reason: string): void;
}

/** Type and nonce of a response. */
interface Head {
  readonly typeUrl: string;
  readonly nonce: string;
}

/**
 * Heads of compressed answers by length and checksum. Many clients are sent the same one; the first that has it decompresses
 * it for all, because a thousand times 20 MB in one process is more than a thousand nodes have to do.
 */
const heads = new Map<string, Head>();

/** Acknowledgements by nonce: thousands of clients answer the same ones. */
const acknowledgements = new Map<string, Buffer>();

function acknowledge(typeUrl: string, nonce: string): Buffer {
  const known = acknowledgements.get(nonce);
  if (known !== undefined) return known;
  if (acknowledgements.size > 1_000) acknowledgements.clear();
  const made = framed(encodeRequest({ typeUrl, nonce }));
  acknowledgements.set(nonce, made);
  return made;
}

function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(PREFIX + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX);
  return frame;
}

export class ClientStream {
  readonly #client: number;
  readonly #events: ClientStreamEvents;
  readonly #keepsFirst: boolean;
  readonly #stream: ClientHttp2Stream;
  readonly #answered = new Set<string>();
  #chunks: Buffer[] = [];
  #buffered = 0;
  /** Length of the frame under way; undefined while its prefix is incomplete. */
  #frameLength: number | undefined;
  #received = 0;
  #isCompressed = false;

  constructor(
    session: ClientHttp2Session,
    client: number,
    token: string,
    keepsFirst: boolean,
    events: ClientStreamEvents,
  ) {
    this.#client = client;
    this.#events = events;
    this.#keepsFirst = keepsFirst;
    this.#stream = session.request(
      {
        ':method': 'POST',
        ':path': METHOD,
        'content-type': 'application/grpc',
        te: 'trailers',
        authorization: `Bearer ${token}`,
        clusterid: 'Kubernetes',
        [ACCEPT_ENCODING]: 'gzip',
      },
      { endStream: false },
    );
    this.#stream.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#stream.on('trailers', (headers) => events.failed(client, String(headers['grpc-message'] ?? '')));
    this.#stream.on('response', (headers) => {
      if (headers['grpc-status'] !== undefined) events.failed(client, String(headers['grpc-message'] ?? ''));
    });
    this.#stream.on('error', (error) => events.failed(client, error.message));
    const node = ztunnelNode({
      instanceIp: `10.127.${client >> 8}.${client & 255}`,
      podName: proxyName(client),
      podNamespace: SYSTEM_NAMESPACE,
      nodeName: nodeName(client),
      extraMetadata: {},
    });
    for (const typeUrl of [ADDRESS_TYPE, AUTHORIZATION_TYPE]) {
      this.#stream.write(framed(encodeRequest({ node, typeUrl })));
    }
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) rest = this.#takePart(rest);
  }

  /** Takes bytes of at most one frame; returns what is behind. */
  #takePart(chunk: Buffer): Buffer {
    if (this.#frameLength === undefined) {
      // Nearly always the whole prefix is there.
      const head = this.#chunks.length === 0 ? chunk : Buffer.concat([...this.#chunks, chunk]);
      if (head.length < PREFIX) {
        this.#chunks = [head];
        return chunk.subarray(chunk.length);
      }
      this.#frameLength = PREFIX + head.readUInt32BE(1);
      this.#isCompressed = head[0] === 1;
      this.#chunks = [];
      this.#buffered = 0;
      this.#received = 0;
      return this.#takePart(head);
    }
    const part = chunk.subarray(0, this.#frameLength - this.#received);
    this.#received += part.length;
    this.#keep(part);
    if (this.#received === this.#frameLength) this.#finish(this.#frameLength);
    return chunk.subarray(part.length);
  }

  #keep(part: Buffer): void {
    this.#chunks.push(part);
    this.#buffered += part.length;
    if (this.#keepsFirst || this.#isCompressed || this.#answered.size === 2) return;
    // Only the end of a first answer is of interest.
    for (let [oldest] = this.#chunks; oldest !== undefined && this.#buffered - oldest.length >= TAIL;) {
      this.#buffered -= oldest.length;
      this.#chunks.shift();
      [oldest] = this.#chunks;
    }
  }

  #finish(length: number): void {
    const isCompressed = this.#isCompressed;
    const [only] = this.#chunks;
    const kept = this.#chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#frameLength = undefined;
    const whole = kept.length === length ? kept.subarray(PREFIX) : undefined;
    if (!isCompressed) {
      this.#answer(whole === undefined ? readTail(kept) : scanResponse(whole), length, whole);
      return;
    }
    // Compressed frames are always whole here.
    const key = `${length} ${kept.toString('hex', kept.length - 8)}`;
    const known = this.#keepsFirst ? undefined : heads.get(key);
    const message = known === undefined ? gunzipSync(kept.subarray(PREFIX)) : undefined;
    const head = known ?? scanResponse(message ?? kept);
    heads.set(key, { typeUrl: head.typeUrl, nonce: head.nonce });
    this.#answer(head, length, message);
  }

  #answer({ typeUrl, nonce }: Head, length: number, message: Uint8Array | undefined): void {
    this.#stream.write(acknowledge(typeUrl, nonce));
    if (this.#answered.has(typeUrl)) {
      if (message !== undefined) this.#events.push(nonce, message);
      return;
    }
    this.#answered.add(typeUrl);
    this.#events.first(this.#client, typeUrl, length, message);
  }
}

/** Type and nonce are the last fields of a response without removals. */
function readTail(tail: Buffer): Head {
  for (const typeUrl of [ADDRESS_TYPE, AUTHORIZATION_TYPE]) {
    const field = Buffer.concat([Buffer.from([0x22, typeUrl.length]), Buffer.from(typeUrl), Buffer.from([0x2a])]);
    const at = tail.lastIndexOf(field);
    if (at === -1) continue;
    const start = at + field.length;
    return { typeUrl, nonce: tail.toString('utf8', start + 1, start + 1 + (tail[start] ?? 0)) };
  }
  return { typeUrl: '', nonce: '' };
}
