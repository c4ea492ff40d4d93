/**
 * One xDS client: a gRPC stream with as little work as the protocol allows, so that a thousand fit into a process.
 * Full answers are counted and acknowledged, not kept; pushes are handed on.
 */
import { gunzipSync } from 'node:zlib';
import {
  type ClientConnection,
  type ClientExchange,
  type ClientExchangeUser,
  FieldList,
  type ResponseHead,
} from '@ambit/exchange';
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

/** Uncompressed messages that came last: thousands of clients are sent the same ones, so they are read once. */
const recent: { readonly message: Buffer; readonly head: Head }[] = [];
const RECENT = 8;

function readHead(message: Buffer): Head {
  for (const known of recent) if (known.message.equals(message)) return known.head;
  const { typeUrl, nonce } = scanResponse(message);
  recent.unshift({ message: Buffer.from(message), head: { typeUrl, nonce } });
  recent.length = Math.min(recent.length, RECENT);
  return { typeUrl, nonce };
}

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

export class ClientStream implements ClientExchangeUser {
  readonly #client: number;
  readonly #events: ClientStreamEvents;
  readonly #keepsFirst: boolean;
  readonly #exchange: ClientExchange;
  readonly #answered = new Set<string>();
  #chunks: Buffer[] = [];
  #buffered = 0;
  /** Length of the frame under way; undefined while its prefix is incomplete. */
  #frameLength: number | undefined;
  #received = 0;
  #isCompressed = false;

  /** The connection has room for a stream. */
  constructor(
    connection: ClientConnection,
    client: number,
    token: string,
    keepsFirst: boolean,
    events: ClientStreamEvents,
  ) {
    this.#client = client;
    this.#events = events;
    this.#keepsFirst = keepsFirst;
    const fields = new FieldList();
    fields.add('content-type', 'application/grpc');
    fields.add('te', 'trailers');
    fields.add('authorization', `Bearer ${token}`);
    fields.add('clusterid', 'Kubernetes');
    fields.add(ACCEPT_ENCODING, 'gzip');
    const head = {
      method: 'POST',
      scheme: 'https',
      authority: 'localhost',
      target: METHOD,
      fields,
      protocol: 'HTTP/2',
      contentLength: undefined,
      hasBody: true,
      upgrade: undefined,
      expectsContinue: false,
    } as const;
    this.#exchange = connection.request(head, false, this);
    const node = ztunnelNode({
      instanceIp: `10.127.${client >> 8}.${client & 255}`,
      podName: proxyName(client),
      podNamespace: SYSTEM_NAMESPACE,
      nodeName: nodeName(client),
      extraMetadata: {},
    });
    for (const typeUrl of [ADDRESS_TYPE, AUTHORIZATION_TYPE]) this.#write(framed(encodeRequest({ node, typeUrl })));
  }

  // --- of the exchange

  onInformational(): void {
    // Not of gRPC.
  }

  onResponse({ fields }: ResponseHead): void {
    if (fields.has('grpc-status')) this.#fail(fields);
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    this.#take(Buffer.from(buffer.buffer, buffer.byteOffset + offset, length));
  }

  onEnd(trailers: FieldList | undefined): void {
    this.#fail(trailers);
  }

  onWritable(): void {
    // Requests are few and small.
  }

  onAborted(error: Error): void {
    this.#events.failed(this.#client, error.message);
  }

  #fail(fields: FieldList | undefined): void {
    this.#events.failed(this.#client, fields?.get('grpc-message') ?? 'the stream has ended');
  }

  #write(frame: Buffer): void {
    this.#exchange.write(frame, 0, frame.length);
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) rest = this.#takePart(rest);
  }

  /** Takes bytes of at most one frame; returns what is behind. The bytes are valid during the call only. */
  #takePart(chunk: Buffer): Buffer {
    if (this.#frameLength === undefined) {
      // Nearly always the whole prefix is there.
      const head = this.#chunks.length === 0 ? chunk : Buffer.concat([...this.#chunks, chunk]);
      if (head.length < PREFIX) {
        this.#chunks = [Buffer.from(head)];
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
    const isWhole = this.#received === 0 && part.length === this.#frameLength;
    this.#received += part.length;
    this.#keep(isWhole ? part : Buffer.from(part));
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
      this.#answer(whole === undefined ? readTail(kept) : readHead(whole), length, whole);
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
    this.#write(acknowledge(typeUrl, nonce));
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
