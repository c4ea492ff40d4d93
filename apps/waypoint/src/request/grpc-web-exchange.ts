/**
 * gRPC-Web of browsers in front of a gRPC backend: binary and base64 bodies in, the trailers of the answer as its last frame. To the
 * rest of the path it is a gRPC request. Spec: gRPC-Web protocol; contract l7 6.3.
 */
import {
  ExchangeError,
  type FieldList,
  type RequestHead,
  type ResponseHead,
  type ServerExchange,
  type ServerExchangeUser,
} from '@ambit/exchange';
import { FRAME_PREFIX_BYTES } from '@ambit/grpc';

import { isGrpcMessage } from './grpc-request.ts';

const binaryType = 'application/grpc-web';
const textType = 'application/grpc-web-text';
const trailersFlag = 0x80;

/** True for a request that a port for gRPC-Web takes as such; others pass as they are. */
export function isGrpcWeb(head: RequestHead): boolean {
  return head.fields.get('content-type')?.startsWith(binaryType) === true;
}

export class GrpcWebExchange implements ServerExchange, ServerExchangeUser {
  readonly head: RequestHead;
  user: ServerExchangeUser;
  readonly #exchange: ServerExchange;
  readonly #isText: boolean;
  /** What stands behind the type: `+proto`, or nothing. */
  readonly #format: string;
  /** Characters of base64 that do not make a group of four yet. */
  #rest = '';
  #isGrpcAnswer = false;
  #isOver = false;

  /** Takes the place of the exchange's user. The content type must be that of gRPC-Web. */
  constructor(exchange: ServerExchange) {
    const { head } = exchange;
    const type = head.fields.get('content-type') ?? '';
    this.#exchange = exchange;
    this.#isText = type.startsWith(textType);
    this.#format = type.slice(this.#isText ? textType.length : binaryType.length);
    this.user = exchange.user;
    head.fields.set('content-type', `application/grpc${this.#format}`);
    head.fields.set('te', 'trailers');
    // Decoded, a body has another length.
    this.head = this.#isText ? { ...head, contentLength: undefined } : head;
    exchange.user = this;
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    if (this.#isOver) return;
    if (!this.#isText) return this.user.onBody(buffer, offset, length);
    const text = this.#rest + Buffer.from(buffer.buffer, buffer.byteOffset + offset, length).toString('latin1');
    const usable = text.length - (text.length % 4);
    this.#rest = text.slice(usable);
    for (let start = 0; start < usable && !this.#isOver;) {
      // Padding ends a piece, not the body: senders encode what they have at a time.
      const padding = text.indexOf('=', start);
      const end = padding < 0 || padding >= usable ? usable : padding - (padding % 4) + 4;
      this.#takePiece(text.slice(start, end));
      start = end;
    }
  }

  onEnd(): void {
    if (this.#isOver) return;
    if (this.#rest !== '') return this.#breach();
    this.user.onEnd(undefined);
  }

  onWritable(): void {
    this.user.onWritable();
  }

  onAborted(error: ExchangeError): void {
    if (!this.#isOver) this.user.onAborted(error);
    this.#isOver = true;
  }

  respondInformational(head: ResponseHead): void {
    this.#exchange.respondInformational(head);
  }

  respond(head: ResponseHead, isEnd: boolean): void {
    this.#isGrpcAnswer = isGrpcMessage(head.fields);
    if (!this.#isGrpcAnswer) return this.#exchange.respond(head, isEnd);
    head.fields.set('content-type', `${this.#isText ? textType : binaryType}${this.#format}`);
    this.#exchange.respond({ status: head.status, fields: head.fields, contentLength: undefined }, isEnd);
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    if (!this.#isGrpcAnswer || !this.#isText) return this.#exchange.write(buffer, offset, length);
    const encoded = Buffer.from(
      Buffer.from(buffer.buffer, buffer.byteOffset + offset, length).toString('base64'),
      'latin1',
    );
    return this.#exchange.write(encoded, 0, encoded.length);
  }

  end(trailers?: FieldList): void {
    if (this.#isGrpcAnswer && trailers !== undefined) {
      const frame = trailersFrame(trailers);
      this.write(frame, 0, frame.length);
      this.#exchange.end();
    } else {
      this.#exchange.end(trailers);
    }
  }

  abort(http2Code?: number): void {
    this.#isOver = true;
    if (http2Code === undefined) this.#exchange.abort();
    else this.#exchange.abort(http2Code);
  }

  pause(): void {
    this.#exchange.pause();
  }

  resume(): void {
    this.#exchange.resume();
  }

  closeAfter(): void {
    this.#exchange.closeAfter();
  }

  #takePiece(piece: string): void {
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(piece)) return this.#breach();
    const bytes = Buffer.from(piece, 'base64');
    if (bytes.length > 0) this.user.onBody(bytes, 0, bytes.length);
  }

  /** What came is no base64: nobody can say what was meant. */
  #breach(): void {
    this.#isOver = true;
    this.user.onAborted(new ExchangeError('protocol', 'a body of gRPC-Web text that is no base64', { status: 400 }));
    this.#exchange.abort();
  }
}

/** `name: value` lines in a frame whose flag says that they are trailers. */
function trailersFrame(trailers: FieldList): Buffer {
  let text = '';
  for (let i = 0; i < trailers.length; i++) text += `${trailers.nameAt(i)}: ${trailers.valueAt(i)}\r\n`;
  const frame = Buffer.alloc(FRAME_PREFIX_BYTES + text.length);
  frame[0] = trailersFlag;
  frame.writeUInt32BE(text.length, 1);
  frame.write(text, FRAME_PREFIX_BYTES, 'latin1');
  return frame;
}
