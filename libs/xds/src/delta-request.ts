/**
 * `DeltaDiscoveryRequest` between its protobuf form and the records used here. Read by hand: a reconnect names every
 * resource the client holds, and each response of each stream is acknowledged with one.
 * Field numbers: control-plane.md section 2.1.
 */
import { core, discovery } from '@ambit/api';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { EncodedVersions } from './encoded-versions.ts';
import type { SubscriptionRequest } from './subscription.ts';
import { bytesTag, WireReader } from './wire-format.ts';
import { XdsError } from './xds-error.ts';

const NODE = bytesTag(1);
const TYPE_URL = bytesTag(2);
const SUBSCRIBE = bytesTag(3);
const UNSUBSCRIBE = bytesTag(4);
const INITIAL_VERSIONS = bytesTag(5);
const NONCE = bytesTag(6);
const ERROR = bytesTag(7);
const STATUS_MESSAGE = bytesTag(2);

/** A request with the node that its stream's first one holds. */
export interface DecodedRequest {
  readonly node: core.Node | undefined;
  /** Its versions are read from the bytes as often as they are asked for: do not keep it. */
  readonly request: SubscriptionRequest;
}

/** Throws `XdsError` `MALFORMED`. */
export function decodeRequest(bytes: Uint8Array): DecodedRequest {
  const reader = new WireReader(bytes);
  const subscribe: string[] = [];
  const unsubscribe: string[] = [];
  const spans: number[] = [];
  let node: core.Node | undefined;
  let typeUrl = '';
  let nonce = '';
  let error: string | undefined;
  while (!reader.isDone) {
    const tag = reader.tag();
    if (tag === INITIAL_VERSIONS) EncodedVersions.readEntry(bytes, reader.span(), spans);
    else if (tag === SUBSCRIBE) subscribe.push(reader.string());
    else if (tag === UNSUBSCRIBE) unsubscribe.push(reader.string());
    else if (tag === TYPE_URL) typeUrl = reader.string();
    else if (tag === NONCE) nonce = reader.string();
    else if (tag === NODE) node = readNodeMessage(reader.bytes());
    else if (tag === ERROR) error = readStatusMessage(reader.bytes());
    else reader.skip(tag);
  }
  const initialVersions = new EncodedVersions(bytes, spans);
  return { node, request: { typeUrl, subscribe, unsubscribe, initialVersions, nonce, error } };
}

function readNodeMessage(bytes: Uint8Array): core.Node {
  try {
    return fromBinary(core.NodeSchema, bytes);
  } catch (cause) {
    throw new XdsError('MALFORMED', 'the request does not hold a Node', { cause });
  }
}

/** Message of a `google.rpc.Status`. */
function readStatusMessage(bytes: Uint8Array): string {
  const reader = new WireReader(bytes);
  let message = '';
  while (!reader.isDone) {
    const tag = reader.tag();
    if (tag === STATUS_MESSAGE) message = reader.string();
    else reader.skip(tag);
  }
  return message;
}

/** What is left out is empty on the wire. */
export interface RequestFields {
  readonly node?: core.Node;
  readonly typeUrl: string;
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  readonly initialVersions?: ReadonlyMap<string, string>;
  readonly nonce?: string;
  readonly error?: string;
}

export function encodeRequest(fields: RequestFields): Uint8Array {
  const message = create(discovery.DeltaDiscoveryRequestSchema, {
    ...(fields.node === undefined ? {} : { node: fields.node }),
    typeUrl: fields.typeUrl,
    resourceNamesSubscribe: [...(fields.subscribe ?? [])],
    resourceNamesUnsubscribe: [...(fields.unsubscribe ?? [])],
    initialResourceVersions: Object.fromEntries(fields.initialVersions ?? []),
    responseNonce: fields.nonce ?? '',
    ...(fields.error === undefined ? {} : { errorDetail: { message: fields.error } }),
  });
  return toBinary(discovery.DeltaDiscoveryRequestSchema, message);
}
