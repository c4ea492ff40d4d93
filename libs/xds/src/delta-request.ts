/** `DeltaDiscoveryRequest` between its protobuf form and the records used here. */
import { type core, discovery } from '@ambit/api';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { SubscriptionRequest } from './subscription.ts';
import { XdsError } from './xds-error.ts';

/** A request with the node that its stream's first one holds. */
export interface DecodedRequest {
  readonly node: core.Node | undefined;
  readonly request: SubscriptionRequest;
}

/** Throws `XdsError` `MALFORMED`. */
export function decodeRequest(bytes: Uint8Array): DecodedRequest {
  let message: discovery.DeltaDiscoveryRequest;
  try {
    message = fromBinary(discovery.DeltaDiscoveryRequestSchema, bytes);
  } catch (cause) {
    throw new XdsError('MALFORMED', 'the request is not a DeltaDiscoveryRequest', { cause });
  }
  return {
    node: message.node,
    request: {
      typeUrl: message.typeUrl,
      subscribe: message.resourceNamesSubscribe,
      unsubscribe: message.resourceNamesUnsubscribe,
      initialVersions: new Map(Object.entries(message.initialResourceVersions)),
      nonce: message.responseNonce,
      error: message.errorDetail?.message,
    },
  };
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
