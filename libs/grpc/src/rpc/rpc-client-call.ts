/** One gRPC call of an `RpcChannel`: its messages in both directions, its status. */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import {
  type ClientConnection,
  type ClientExchange,
  type ClientExchangeUser,
  type ExchangeError,
  FieldList,
  type RequestHead,
  type ResponseHead,
} from '@ambit/exchange';
import { frameOf } from '../frame-prefix.ts';
import { GrpcError } from '../grpc-error.ts';
import { endOf, failureOf, headProblem } from './call-status.ts';
import { MessageReader } from './message-reader.ts';

/** What is asked. */
export interface CallHead {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** `host:port`. */
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  readonly headers: ReadonlyMap<string, string>;
  /** From now; undefined: none. */
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Of one message, also when it is unpacked. */
  readonly maxReceiveBytes: number;
}

interface Received {
  readonly bytes: Uint8Array;
  readonly isCompressed: boolean;
}

const unpack = promisify(gunzip);
/** Most that `grpc-timeout` may say. Spec: gRPC over HTTP/2, TimeoutValue. */
const LONGEST_TIMEOUT_MS = 99_999_999;
/** Set by the transport itself. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['content-type', 'te', 'grpc-timeout', 'grpc-accept-encoding']);

/**
 * Messages go out as they are written, also before there is a connection, and come in one by one as they are asked for: the
 * stream's window stops a server that is ahead.
 */
export class RpcClientCall implements ClientExchangeUser {
  /** It never reached the server, and may be made again. */
  wasRefused = false;
  readonly #head: CallHead;
  readonly #reader: MessageReader;
  readonly #onOver: () => void;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onAbort = (): void => this.fail(new GrpcError('CANCELLED', 'cancelled by the caller'));
  #exchange: ClientExchange | undefined;
  /** Written before the connection was there. */
  #early: Uint8Array[] = [];
  #isEnded = false;
  #answer: FieldList | undefined;
  #encoding = 'identity';
  readonly #received: Received[] = [];
  #isPaused = false;
  #isOver = false;
  #error: GrpcError | undefined;
  #wake: (() => void) | undefined;

  /** `onOver` is called once, when nothing more is sent or read. */
  constructor(head: CallHead, onOver: () => void) {
    this.#head = head;
    this.#reader = new MessageReader(head.maxReceiveBytes, 'client');
    this.#onOver = onOver;
    const { timeoutMs, signal } = head;
    if (timeoutMs !== undefined) {
      this.#timer = setTimeout(() => this.fail(new GrpcError('DEADLINE_EXCEEDED', 'no answer in time')), timeoutMs);
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Asks on this connection, which has capacity. */
  begin(connection: ClientConnection): void {
    if (this.#isOver) return;
    this.#exchange = connection.request(requestHead(this.#head), false, this);
    for (const frame of this.#early.splice(0)) this.#exchange.write(frame, 0, frame.length);
    if (this.#isEnded) this.#exchange.end();
  }

  /** False: more than a little waits to leave. */
  write(message: Uint8Array): boolean {
    if (this.#isOver || this.#isEnded) return true;
    const frame = frameOf(message);
    if (this.#exchange !== undefined) return this.#exchange.write(frame, 0, frame.length);
    this.#early.push(frame);
    return false;
  }

  end(): void {
    if (this.#isOver || this.#isEnded) return;
    this.#isEnded = true;
    this.#exchange?.end();
  }

  /** Ends it from here, with what its caller is told. */
  fail(error: GrpcError): void {
    if (this.#isOver) return;
    this.#exchange?.abort();
    this.#received.length = 0;
    this.#close(error);
  }

  /** The next message; undefined when the call has ended with OK. Rejects with GrpcError. One caller at a time. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const message = this.#received.shift();
      if (message !== undefined) return message.isCompressed ? await this.#unpacked(message.bytes) : message.bytes;
      if (this.#isOver) {
        if (this.#error !== undefined) throw this.#error;
        return undefined;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      if (this.#isPaused) {
        this.#isPaused = false;
        this.#exchange?.resume();
      }
      await promise;
    }
  }

  // --- of the exchange

  onInformational(): void {
    // Nothing in it for a call.
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    const problem = headProblem(head);
    if (problem !== undefined) return this.fail(problem);
    if (isEnd) this.#answer = head.fields;
    this.#encoding = head.fields.get('grpc-encoding') ?? 'identity';
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    try {
      this.#reader.push(buffer, offset, length, (message, isView, isCompressed) => {
        if (isCompressed && this.#encoding !== 'gzip') {
          throw new GrpcError('INTERNAL', `a message is compressed with ${this.#encoding.slice(0, 40)}, not gzip`);
        }
        this.#received.push({ bytes: isView ? new Uint8Array(message) : message, isCompressed });
      });
    } catch (error) {
      return this.fail(error instanceof GrpcError ? error : new GrpcError('INTERNAL', String(error)));
    }
    if (this.#received.length === 0) return;
    if (!this.#isPaused) {
      this.#isPaused = true;
      this.#exchange?.pause();
    }
    this.#awake();
  }

  onEnd(trailers: FieldList | undefined): void {
    const told = endOf(trailers ?? this.#answer);
    const isCut = told === undefined && this.#reader.isInside;
    this.#close(isCut ? new GrpcError('INTERNAL', 'the answer ends inside a message') : told);
  }

  onWritable(): void {
    // Nobody waits: requests are few and small.
  }

  onAborted(error: ExchangeError): void {
    this.wasRefused = error.kind === 'refused';
    this.#close(failureOf(error));
  }

  async #unpacked(bytes: Uint8Array): Promise<Uint8Array> {
    const { maxReceiveBytes } = this.#head;
    try {
      return await unpack(bytes, { maxOutputLength: maxReceiveBytes });
    } catch (cause) {
      const isTooLarge = cause instanceof RangeError;
      const error = isTooLarge
        ? new GrpcError('RESOURCE_EXHAUSTED', `an unpacked message is over the limit of ${maxReceiveBytes}`, { cause })
        : new GrpcError('INTERNAL', 'a message cannot be unpacked', { cause });
      this.fail(error);
      throw error;
    }
  }

  #close(error: GrpcError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    this.#exchange = undefined;
    this.#early = [];
    clearTimeout(this.#timer);
    this.#head.signal?.removeEventListener('abort', this.#onAbort);
    this.#onOver();
    this.#awake();
  }

  #awake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** The fields of a call. Throws GrpcError INVALID_ARGUMENT for a header that could not be sent. */
export function checkedFields(headers: ReadonlyMap<string, string>): void {
  const fields = new FieldList();
  for (const [name, value] of headers) {
    if (OWN_FIELDS.has(name) || name.startsWith(':') || !fields.addChecked(name, value)) {
      throw new GrpcError('INVALID_ARGUMENT', `a call cannot have the header ${name}`);
    }
  }
}

function requestHead({ path, authority, scheme, headers, timeoutMs }: CallHead): RequestHead {
  const fields = new FieldList();
  fields.add('content-type', 'application/grpc');
  fields.add('te', 'trailers');
  fields.add('grpc-accept-encoding', 'identity,gzip');
  if (timeoutMs !== undefined) fields.add('grpc-timeout', `${Math.min(Math.ceil(timeoutMs), LONGEST_TIMEOUT_MS)}m`);
  for (const [name, value] of headers) fields.add(name, value);
  return {
    method: 'POST',
    scheme,
    authority,
    target: path,
    fields,
    protocol: 'HTTP/2',
    contentLength: undefined,
    hasBody: true,
    upgrade: undefined,
    expectsContinue: false,
  };
}
