/** One stream of whatever transport, from its authentication to its end. */
import { type CallContext, type FrameWriter, GrpcError, type GrpcStatus } from '@ambit/grpc';
import type { DecodedRequest } from './delta-request.ts';
import type { DeltaSession, SessionSink } from './delta-session.ts';
import type { EncodedResponse } from './response-encoder.ts';
import { XdsError, type XdsErrorCode } from './xds-error.ts';
import { checkNodeOwner, readNode, type XdsNode } from './xds-node.ts';

/**
 * Header of clients that read gzip. The one of gRPC, `grpc-accept-encoding`, would say it, but grpc-js hides it from servers.
 */
export const ACCEPT_ENCODING = 'ambit-accept-encoding';

/** Who opened a stream. */
export interface XdsCaller {
  /** SPIFFE ids; empty on a port that authenticates nobody. */
  readonly identities: readonly string[];
  /** Throws GrpcError to refuse what the stream says it is; called once, when it has introduced itself. */
  admit?(node: XdsNode): void;
  /** Whether the stream may be sent a resource of a private type, asked each time; absent: none. */
  mayRead?(typeUrl: string, name: string): boolean;
}

/** What a session may be told of its transport. */
export interface SessionOptions {
  /** Cuts the stream: its client takes nothing for too long. */
  readonly abort?: () => void;
  /** The sink may write `compressedFrame` where there is one; full answers then wait for it. Default false. */
  readonly acceptsGzip?: boolean;
  /** See `XdsCaller`. */
  readonly mayRead?: (typeUrl: string, name: string) => boolean;
}

/** What a stream needs of its server. */
export interface StreamHost {
  openSession(node: XdsNode, sink: SessionSink, options: SessionOptions): readonly [DeltaSession, close: () => void];
  /** See `RequestReader.read`. */
  readRequest(bytes: Uint8Array, isView: boolean): DecodedRequest;
}

/** The one table from a code of this library to a gRPC status. */
const STATUS: Readonly<Record<XdsErrorCode, GrpcStatus>> = {
  MALFORMED: 'INVALID_ARGUMENT',
  UNKNOWN_TYPE: 'INTERNAL',
  TOO_MANY_NAMES: 'RESOURCE_EXHAUSTED',
  TOO_MANY_TYPES: 'RESOURCE_EXHAUSTED',
  BAD_NODE: 'INVALID_ARGUMENT',
  NODE_NOT_OF_CALLER: 'PERMISSION_DENIED',
};

/** Owned by the transport, which calls {@link ServedStream.close} at the end. */
export class ServedStream {
  readonly #host: StreamHost;
  readonly #caller: XdsCaller;
  readonly #call: CallContext;
  readonly #open: (encoding: 'gzip' | undefined) => FrameWriter;
  #session: DeltaSession | undefined;
  #close: () => void = () => undefined;

  /** `open` makes the sending side, once; frames that say so are compressed with the encoding. */
  constructor(
    host: StreamHost,
    caller: XdsCaller,
    call: CallContext,
    open: (encoding: 'gzip' | undefined) => FrameWriter,
  ) {
    this.#host = host;
    this.#caller = caller;
    this.#call = call;
    this.#open = open;
  }

  /**
   * Takes one request. With `isView` the bytes are valid during the call only.
   * Throws GrpcError, with which the stream has to end.
   */
  receive(bytes: Uint8Array, isView: boolean = false): void {
    try {
      const { node, request } = this.#host.readRequest(bytes, isView);
      const session = (this.#session ??= this.#introduce(readNode(node)));
      session.receive(request);
      session.answer();
    } catch (error) {
      throw error instanceof XdsError ? new GrpcError(STATUS[error.code], error.message, { cause: error }) : error;
    }
  }

  close(): void {
    this.#close();
  }

  #introduce(node: XdsNode): DeltaSession {
    const caller = this.#caller;
    checkNodeOwner(node, caller.identities);
    caller.admit?.(node);
    const readsGzip = this.#call.header(ACCEPT_ENCODING) === 'gzip';
    const writer = this.#open(readsGzip ? 'gzip' : undefined);
    const acceptsGzip = readsGzip && writer.isDirect;
    const write = ({ frame, compressedFrame }: EncodedResponse): boolean =>
      writer.write((acceptsGzip ? compressedFrame : undefined) ?? frame);
    const mayRead = (typeUrl: string, name: string): boolean => caller.mayRead?.(typeUrl, name) ?? false;
    const options = { abort: () => writer.abort(), acceptsGzip, mayRead };
    const [session, close] = this.#host.openSession(node, { write }, options);
    writer.onDrain(() => session.resume());
    this.#close = close;
    return session;
  }
}
