/**
 * The two messages of state-of-the-world xDS, as far as questions about the control plane itself need them.
 * Spec: envoy/service/discovery/v3/discovery.proto, DiscoveryRequest and DiscoveryResponse.
 */
import { GrpcError } from '@ambit/grpc';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

export interface DebugRequest {
  readonly typeUrl: string;
  readonly names: readonly string[];
  /** That of an answer in its acknowledgement, which asks for nothing. */
  readonly nonce: string;
}

/** Of a `google.protobuf.Any`. */
export interface DebugResource {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

export interface DebugResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  /** JSON that names who answers. */
  readonly controlPlane: string;
  readonly resources: readonly DebugResource[];
}

const RESOURCE_NAMES = 3;
const TYPE_URL = 4;
const NONCE = 5;
/** A question has one name. */
const MAX_NAMES = 8;

/** Throws GrpcError INVALID_ARGUMENT. */
export function readDebugRequest(bytes: Uint8Array): DebugRequest {
  const names: string[] = [];
  let [typeUrl, nonce] = ['', ''];
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === RESOURCE_NAMES) names.push(reader.string());
      else if (field === TYPE_URL) typeUrl = reader.string();
      else if (field === NONCE) nonce = reader.string();
      else reader.skip(type, field);
      if (names.length > MAX_NAMES) throw new RangeError(`more than ${MAX_NAMES} names`);
    }
  } catch (cause) {
    throw new GrpcError('INVALID_ARGUMENT', 'the request is no DiscoveryRequest', { source: 'downstream', cause });
  }
  return { typeUrl, names, nonce };
}

export function writeDebugResponse({ typeUrl, nonce, controlPlane, resources }: DebugResponse): Uint8Array {
  const writer = new BinaryWriter();
  for (const { typeUrl: type, value } of resources) message(writer, 2, (any) => text(text(any, 1, type), 2, value));
  text(writer, 4, typeUrl);
  text(writer, 5, nonce);
  message(writer, 6, (identity) => text(identity, 1, controlPlane));
  return writer.finish();
}

/** A field that is a message, written by `fill`. */
export function message(writer: BinaryWriter, field: number, fill: (inner: BinaryWriter) => void): BinaryWriter {
  writer.tag(field, LENGTH_DELIMITED).fork();
  fill(writer);
  return writer.join();
}

/** A field of text or bytes; an empty one is left out. */
export function text(writer: BinaryWriter, field: number, value: string | Uint8Array): BinaryWriter {
  if (value.length === 0) return writer;
  writer.tag(field, LENGTH_DELIMITED);
  return typeof value === 'string' ? writer.string(value) : writer.bytes(value);
}

const LENGTH_DELIMITED = 2;
