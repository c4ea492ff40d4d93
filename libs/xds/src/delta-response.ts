/**
 * `envoy.service.discovery.v3.DeltaDiscoveryResponse` without objects per resource: the server joins resources that
 * were encoded once, the client scans a message once and then walks its resources a few at a time.
 * Field numbers: control-plane.md section 2.1.
 */
import type { PackedBytes } from './packed-bytes.ts';
import { bytesTag, putVarint, varintSize, WireReader } from './wire-format.ts';

const SYSTEM_VERSION = 1;
const RESOURCES = 2;
const TYPE_URL = 4;
const NONCE = 5;
const REMOVED = 6;
const RESOURCE_VERSION = 1;
const RESOURCE_ANY = 2;
const RESOURCE_NAME = 3;
const RESOURCE_ALIASES = 4;
const ANY_TYPE_URL = 1;
const ANY_VALUE = 2;

/** A resource as received. `value` is a view into the message: copy it to keep it. */
export interface RawResource {
  readonly name: string;
  readonly version: string;
  /** `Any.value`; undefined when the resource came without a payload. */
  readonly value: Uint8Array | undefined;
  readonly aliases: readonly string[];
}

/** What a resource is encoded from. */
export interface ResourceContent {
  readonly name: string;
  readonly version: string;
  readonly value: Uint8Array;
}

/** The same with its value packed. */
export interface PackedContent {
  readonly name: string;
  readonly version: string;
  readonly packed: PackedBytes;
}

/** A response whose resources are not decoded yet. */
export interface ScannedResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly systemVersionInfo: string;
  readonly removed: readonly string[];
  readonly resourceCount: number;
  /** Sum of the encoded resources, the number Istio counts as message bytes. */
  readonly resourceBytes: number;
  /** Resources in message order; each is decoded when the iterator reaches it. */
  resources(): Generator<RawResource, void, undefined>;
}

/** One `Resource` as a field of the response, ready to be joined. */
export function encodeResource(typeUrl: string, content: ResourceContent, aliases: readonly string[] = []): Uint8Array {
  const { name, version, value } = content;
  const sizes = resourceSizes(typeUrl, name, version, value.length, aliases);
  const out = Buffer.allocUnsafeSlow(1 + varintSize(sizes.inside) + sizes.inside);
  const at = putResourceHead(out, 0, typeUrl, version, value.length, sizes);
  out.set(value, at);
  putResourceTail(out, at + value.length, name, aliases);
  return out;
}

/** As {@link encodeResource}, without aliases, into `out` at `at`; returns the offset behind. There is room for it. */
export function putResource(out: Buffer, at: number, typeUrl: string, content: PackedContent): number {
  const { name, version, packed } = content;
  const start = putResourceHead(out, at, typeUrl, version, packed.length, packedSizes(typeUrl, content));
  return putResourceTail(out, start + out.write(packed, start, 'latin1'), name, []);
}

/** Bytes that {@link putResource} writes. */
export function resourceLength(typeUrl: string, content: PackedContent): number {
  const { inside } = packedSizes(typeUrl, content);
  return 1 + varintSize(inside) + inside;
}

interface ResourceSizes {
  /** Of the `Resource`, and of the `Any` in it. */
  readonly inside: number;
  readonly any: number;
}

function packedSizes(typeUrl: string, { name, version, packed }: PackedContent): ResourceSizes {
  return resourceSizes(typeUrl, name, version, packed.length, []);
}

function resourceSizes(
  typeUrl: string,
  name: string,
  version: string,
  valueBytes: number,
  aliases: readonly string[],
): ResourceSizes {
  const any = textSize(typeUrl) + 1 + varintSize(valueBytes) + valueBytes;
  let inside = textSize(version) + 1 + varintSize(any) + any + textSize(name);
  for (const alias of aliases) inside += textSize(alias);
  return { inside, any };
}

function putResourceHead(
  out: Buffer,
  from: number,
  typeUrl: string,
  version: string,
  valueBytes: number,
  { inside, any }: ResourceSizes,
): number {
  let at = putHead(out, from, RESOURCES, inside);
  at = putText(out, at, RESOURCE_VERSION, version);
  at = putHead(out, at, RESOURCE_ANY, any);
  at = putText(out, at, ANY_TYPE_URL, typeUrl);
  return putHead(out, at, ANY_VALUE, valueBytes);
}

function putResourceTail(out: Buffer, from: number, name: string, aliases: readonly string[]): number {
  let at = putText(out, from, RESOURCE_NAME, name);
  for (const alias of aliases) at = putText(out, at, RESOURCE_ALIASES, alias);
  return at;
}

/** A resource that writes itself into a response. */
export interface WritableResource {
  readonly encodedLength: number;
  /** Returns the offset behind. */
  writeTo(out: Buffer, at: number): number;
}

/** What a response is made of. `encodedResources` are results of {@link encodeResource}, or write the same themselves. */
export interface ResponseContent {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly systemVersionInfo: string;
  readonly encodedResources: readonly (Uint8Array | WritableResource)[];
  readonly removed: readonly string[];
}

/** A whole response behind `prefixBytes` bytes left for the transport, in one buffer that is written once. */
export function encodeResponse(response: ResponseContent, prefixBytes: number = 0): Uint8Array {
  const { typeUrl, nonce, systemVersionInfo, encodedResources, removed } = response;
  let size = prefixBytes + textSize(systemVersionInfo) + textSize(typeUrl) + textSize(nonce);
  for (const resource of encodedResources) {
    size += resource instanceof Uint8Array ? resource.length : resource.encodedLength;
  }
  for (const name of removed) size += textSize(name);
  const out = Buffer.allocUnsafeSlow(size);
  let at = putText(out, prefixBytes, SYSTEM_VERSION, systemVersionInfo);
  for (const resource of encodedResources) {
    if (resource instanceof Uint8Array) {
      out.set(resource, at);
      at += resource.length;
    } else at = resource.writeTo(out, at);
  }
  at = putText(out, at, TYPE_URL, typeUrl);
  at = putText(out, at, NONCE, nonce);
  for (const name of removed) at = putText(out, at, REMOVED, name);
  return out;
}

/** Bytes of a text field with a one-byte tag; proto3 leaves an empty text out. */
function textSize(text: string): number {
  if (text === '') return 0;
  const length = Buffer.byteLength(text);
  return 1 + varintSize(length) + length;
}

function putText(out: Buffer, at: number, field: number, text: string): number {
  if (text === '') return at;
  const start = putHead(out, at, field, Buffer.byteLength(text));
  return start + out.write(text, start);
}

function putHead(out: Uint8Array, at: number, field: number, length: number): number {
  out[at] = bytesTag(field);
  return putVarint(out, at + 1, length);
}

/** Reads the frame of a response; the cost is one tag per resource. Throws `XdsError` `MALFORMED`. */
export function scanResponse(message: Uint8Array): ScannedResponse {
  const reader = new WireReader(message);
  const spans: number[] = [];
  const removed: string[] = [];
  let typeUrl = '';
  let nonce = '';
  let systemVersionInfo = '';
  let resourceBytes = 0;
  while (!reader.isDone) {
    const tag = reader.tag();
    if (tag === bytesTag(RESOURCES)) {
      const [start, end] = reader.span();
      spans.push(start, end);
      resourceBytes += end - start;
    } else if (tag === bytesTag(REMOVED)) removed.push(reader.string());
    else if (tag === bytesTag(TYPE_URL)) typeUrl = reader.string();
    else if (tag === bytesTag(NONCE)) nonce = reader.string();
    else if (tag === bytesTag(SYSTEM_VERSION)) systemVersionInfo = reader.string();
    else reader.skip(tag);
  }
  return {
    typeUrl,
    nonce,
    systemVersionInfo,
    removed,
    resourceCount: spans.length / 2,
    resourceBytes,
    resources: () => readResources(message, spans),
  };
}

function* readResources(message: Uint8Array, spans: readonly number[]): Generator<RawResource, void, undefined> {
  for (let i = 0; i + 1 < spans.length; i += 2) {
    yield readResource(new WireReader(message, spans[i], spans[i + 1]));
  }
}

function readResource(reader: WireReader): RawResource {
  let name = '';
  let version = '';
  let value: Uint8Array | undefined;
  const aliases: string[] = [];
  while (!reader.isDone) {
    const tag = reader.tag();
    if (tag === bytesTag(RESOURCE_NAME)) name = reader.string();
    else if (tag === bytesTag(RESOURCE_VERSION)) version = reader.string();
    else if (tag === bytesTag(RESOURCE_ANY)) value = readAnyValue(reader.bytes());
    else if (tag === bytesTag(RESOURCE_ALIASES)) aliases.push(reader.string());
    else reader.skip(tag);
  }
  return { name, version, value, aliases };
}

function readAnyValue(any: Uint8Array): Uint8Array {
  const reader = new WireReader(any);
  // An Any without a value field holds a message whose fields all have their defaults.
  let value: Uint8Array = any.subarray(0, 0);
  while (!reader.isDone) {
    const tag = reader.tag();
    if (tag === bytesTag(ANY_VALUE)) value = reader.bytes();
    else reader.skip(tag);
  }
  return value;
}
