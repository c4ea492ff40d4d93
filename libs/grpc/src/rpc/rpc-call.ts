/** One gRPC call of an {@link RpcPort}: its head, its messages in both directions, its status. */
import { FieldList, type ServerExchange, type ServerExchangeUser } from '@ambit/exchange';
import type { CallContext } from '../call-context.ts';
import type { FrameWriter } from '../frame-writer.ts';
import { GrpcError, grpcStatusCode } from '../grpc-error.ts';
import { statusText } from '../wire-status.ts';
import { MessageReader } from './message-reader.ts';

/** Who takes the messages of a call. */
export interface RpcReceiver {
  /** With `isView` the bytes are valid during the call only. What it throws ends the call: GrpcError with its status. */
  receive(message: Uint8Array, isView: boolean): void;
  /** The call is over, whoever ended it; once. */
  close(): void;
}

/** What a port can be asked for. */
export interface RpcMethod {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** Begins a call; no message is read before it resolves. Rejects with GrpcError to refuse it. */
  serve(call: RpcCall): Promise<RpcReceiver> | RpcReceiver;
}

/** What all calls of a port share. */
export interface RpcCallSettings {
  readonly maxRequestBytes: number;
  /** Told about exceptions that are not GrpcError: bugs, answered with INTERNAL and no detail. */
  readonly onHandlerError: (path: string, error: unknown) => void;
}

/** What is known of the connection. */
export interface RpcPeer {
  /** `ip:port`; for logs only. */
  readonly address: string;
  /** DER of the client's leaf, only if it verified. */
  readonly clientCertificate: Uint8Array | undefined;
}

/** Given to a connection at once: what is being sent is bounded by it, and others on the connection get their turn. */
const SLICE_BYTES = 64 * 1024;

export class RpcCall implements ServerExchangeUser, FrameWriter {
  readonly isDirect = true;
  readonly context: CallContext;
  readonly #exchange: ServerExchange;
  readonly #settings: RpcCallSettings;
  readonly #reader: MessageReader;
  readonly #aborting = new AbortController();
  readonly #drained: (() => void)[] = [];
  #receiver: RpcReceiver | undefined;
  #isAnswered = false;
  #isOver = false;
  /** What of a large frame is still to be written. */
  #rest: Uint8Array | undefined;

  constructor(exchange: ServerExchange, peer: RpcPeer, settings: RpcCallSettings) {
    this.#exchange = exchange;
    this.#settings = settings;
    this.#reader = new MessageReader(settings.maxRequestBytes);
    this.context = {
      signal: this.#aborting.signal,
      peer: peer.address,
      clientCertificate: peer.clientCertificate,
      header: (name) => exchange.head.fields.get(name),
    };
    exchange.user = this;
  }

  /** Serves it; never rejects. */
  async run(method: RpcMethod): Promise<void> {
    // Who calls is found out first: nobody else's messages are kept.
    this.#exchange.pause();
    try {
      const receiver = await method.serve(this);
      if (this.#isOver) return receiver.close();
      this.#receiver = receiver;
      this.#exchange.resume();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Sends the head of the answer and gives its sending side; frames that say so are compressed with the encoding. */
  open(encoding?: 'gzip'): FrameWriter {
    if (!this.#isAnswered && !this.#isOver) {
      this.#isAnswered = true;
      const fields = new FieldList();
      fields.add('content-type', 'application/grpc');
      if (encoding !== undefined) fields.add('grpc-encoding', encoding);
      this.#exchange.respond({ status: 200, fields, contentLength: undefined }, false);
    }
    return this;
  }

  /** Ends the call: with status OK, or that of the error. What is not drained is lost. */
  finish(error?: GrpcError): void {
    if (this.#isOver) return;
    const fields = new FieldList();
    if (!this.#isAnswered) fields.add('content-type', 'application/grpc');
    fields.add('grpc-status', String(error === undefined ? 0 : grpcStatusCode(error.status)));
    if (error !== undefined) fields.add('grpc-message', statusText(error.message));
    if (this.#isAnswered) this.#exchange.end(fields);
    else this.#exchange.respond({ status: 200, fields, contentLength: undefined }, true);
    this.#close();
  }

  // --- sending side

  write(frame: Uint8Array): boolean {
    if (this.#isOver) return true;
    if (this.#rest === undefined && frame.length <= SLICE_BYTES) return this.#exchange.write(frame, 0, frame.length);
    const isWaiting = this.#rest !== undefined;
    // Frames that come although they were told to wait are few and small.
    this.#rest = this.#rest === undefined ? frame : Buffer.concat([this.#rest, frame]);
    return isWaiting ? false : this.#writeRest();
  }

  /** Something of a frame is still to be written. */
  get isWriting(): boolean {
    return this.#rest !== undefined;
  }

  onDrain(listener: () => void): void {
    this.#drained.push(listener);
  }

  abort(): void {
    if (this.#isOver) return;
    this.#exchange.abort();
    this.#close();
  }

  // --- of the exchange

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    if (this.#isOver) return;
    try {
      this.#reader.push(buffer, offset, length, (message, isView) => {
        if (!this.#isOver) this.#receiver?.receive(message, isView);
      });
    } catch (error) {
      this.#fail(error);
    }
  }

  onEnd(): void {
    if (this.#reader.isInside) this.finish(new GrpcError('INTERNAL', 'the request ends inside a message'));
    else this.finish();
  }

  onWritable(): void {
    if (this.#isOver || !this.#writeRest()) return;
    try {
      for (const listener of this.#drained) listener();
    } catch (error) {
      this.#fail(error);
    }
  }

  onAborted(): void {
    this.#close();
  }

  /** Writes as much as the connection takes; true when it takes more than there is. */
  #writeRest(): boolean {
    let takesMore = true;
    while (takesMore && this.#rest !== undefined) {
      const slice = this.#rest.subarray(0, SLICE_BYTES);
      this.#rest = slice.length === this.#rest.length ? undefined : this.#rest.subarray(SLICE_BYTES);
      takesMore = this.#exchange.write(slice, 0, slice.length);
    }
    return takesMore && this.#rest === undefined;
  }

  #fail(error: unknown): void {
    if (error instanceof GrpcError) return this.finish(error);
    this.#settings.onHandlerError(this.#exchange.head.target, error);
    this.finish(new GrpcError('INTERNAL', 'internal error'));
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#rest = undefined;
    this.#receiver?.close();
    this.#receiver = undefined;
    this.#aborting.abort(new Error('the call is over'));
  }
}
