/**
 * Turns protobuf-es service descriptors into grpc-js method definitions.
 *
 * The definition is a plain value that carries the path and both codecs, so a client call and a server handler are typed
 * by the same thing. Streaming users that already hold encoded messages (xDS) swap a codec for the bytes codec instead of
 * decoding and encoding again.
 */
import type { DescMessage, DescMethod, DescService, MessageShape } from '@bufbuild/protobuf';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';

/** A descriptor of one RPC with its input and output message types known. */
export type TypedMethod<I extends DescMessage, O extends DescMessage> = DescMethod & {
  readonly input: I;
  readonly output: O;
};

/**
 * Builds the grpc-js definition of one RPC; requests and responses are protobuf-es messages.
 * A message that does not decode makes grpc-js answer INTERNAL (server) or fail the call (client).
 */
export function methodDefinition<I extends DescMessage, O extends DescMessage>(
  method: TypedMethod<I, O>,
): MethodDefinition<MessageShape<I>, MessageShape<O>> {
  const kind = method.methodKind;
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    originalName: method.localName,
    requestStream: kind === 'client_streaming' || kind === 'bidi_streaming',
    responseStream: kind === 'server_streaming' || kind === 'bidi_streaming',
    requestSerialize: (message) => asBuffer(toBinary(method.input, message)),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    responseSerialize: (message) => asBuffer(toBinary(method.output, message)),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  };
}

/** The same RPC with responses left encoded: a server writes, a client reads, one message's bytes. */
export function withByteResponses<Req, Res>(method: MethodDefinition<Req, Res>): MethodDefinition<Req, Uint8Array> {
  return { ...method, responseSerialize: asBuffer, responseDeserialize: identity };
}

/** The same RPC with requests left encoded: a client writes, a server reads, one message's bytes. */
export function withByteRequests<Req, Res>(method: MethodDefinition<Req, Res>): MethodDefinition<Uint8Array, Res> {
  return { ...method, requestSerialize: asBuffer, requestDeserialize: identity };
}

/** All RPCs of a service, keyed by the name used in code, in the form `grpc.Server.addService` takes. */
export function serviceDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(service.methods.map((method) => [method.localName, methodDefinition(method)]));
}

/** A view of the same memory: grpc-js wants Buffer, protobuf-es returns Uint8Array. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function identity(bytes: Buffer): Uint8Array {
  return bytes;
}
