import type {
  ClientConnectionOwner,
  ClientExchange,
  ClientExchangeUser,
  ExchangeError,
  FieldList,
  RequestHead,
  ResponseHead,
  ServerConnectionHandler,
  ServerExchange,
  ServerExchangeUser,
} from '../index.ts';
import { FieldList as Fields } from '../index.ts';

export const noFields = (): FieldList => new Fields();

export function fieldsOf(entries: Readonly<Record<string, string>>): FieldList {
  const fields = new Fields();
  for (const [name, value] of Object.entries(entries)) fields.add(name, value);
  return fields;
}

export function entriesOf(fields: FieldList | undefined): readonly string[] {
  if (fields === undefined) return [];
  return Array.from({ length: fields.length }, (_, i) => `${fields.nameAt(i)}: ${fields.valueAt(i)}`);
}

export function responseOf(
  status: number,
  fields: Readonly<Record<string, string>> = {},
  contentLength?: number,
): ResponseHead {
  return { status, fields: fieldsOf(fields), contentLength };
}

export function requestOf(method: string, target: string, more: Partial<RequestHead> = {}): RequestHead {
  return {
    method,
    scheme: 'http',
    authority: 'test.local',
    target,
    fields: noFields(),
    protocol: 'HTTP/1.1',
    contentLength: 0,
    hasBody: false,
    upgrade: undefined,
    expectsContinue: false,
    ...more,
  };
}

/** Keeps what a server exchange gets; answers when told to. */
export class ServedExchange implements ServerExchangeUser {
  readonly exchange: ServerExchange;
  body = '';
  isEnded = false;
  trailers: FieldList | undefined;
  writableCount = 0;
  error: ExchangeError | undefined;

  constructor(exchange: ServerExchange) {
    this.exchange = exchange;
    exchange.user = this;
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    this.body += latin1(buffer, offset, length);
  }

  onEnd(trailers: FieldList | undefined): void {
    if (this.isEnded) throw new Error('ended twice');
    this.isEnded = true;
    this.trailers = trailers;
  }

  onWritable(): void {
    this.writableCount += 1;
  }

  onAborted(error: ExchangeError): void {
    if (this.error !== undefined) throw new Error('aborted twice');
    this.error = error;
  }

  answer(status: number, body = '', fields: Readonly<Record<string, string>> = {}): void {
    const bytes = Buffer.from(body, 'latin1');
    this.exchange.respond(responseOf(status, fields, bytes.length), bytes.length === 0);
    if (bytes.length === 0) return;
    this.exchange.write(bytes, 0, bytes.length);
    this.exchange.end();
  }
}

/** Keeps the requests of a connection. `onServed` acts on each within `onRequest`. */
export class RequestLog implements ServerConnectionHandler {
  readonly served: ServedExchange[] = [];
  isClosed = false;
  error: ExchangeError | undefined;
  readonly #onServed: (served: ServedExchange) => void;

  constructor(onServed: (served: ServedExchange) => void = () => {}) {
    this.#onServed = onServed;
  }

  onRequest(exchange: ServerExchange): void {
    const served = new ServedExchange(exchange);
    this.served.push(served);
    this.#onServed(served);
  }

  onClosed(error: ExchangeError | undefined): void {
    if (this.isClosed) throw new Error('closed twice');
    this.isClosed = true;
    this.error = error;
  }
}

/** Keeps what a client exchange gets. */
export class AnswerLog implements ClientExchangeUser {
  readonly informational: number[] = [];
  head: ResponseHead | undefined;
  isHeadOnly = false;
  body = '';
  isEnded = false;
  trailers: FieldList | undefined;
  writableCount = 0;
  error: ExchangeError | undefined;
  exchange: ClientExchange | undefined;
  onDone: () => void = () => {};

  onInformational(head: ResponseHead): void {
    this.informational.push(head.status);
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    if (this.head !== undefined) throw new Error('two final heads');
    this.head = head;
    this.isHeadOnly = isEnd;
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    this.body += latin1(buffer, offset, length);
  }

  onEnd(trailers: FieldList | undefined): void {
    if (this.isEnded) throw new Error('ended twice');
    this.isEnded = true;
    this.trailers = trailers;
    this.onDone();
  }

  onWritable(): void {
    this.writableCount += 1;
  }

  onAborted(error: ExchangeError): void {
    if (this.error !== undefined) throw new Error('aborted twice');
    this.error = error;
    this.onDone();
  }
}

export class OwnerLog implements ClientConnectionOwner {
  capacityCalls = 0;
  isClosed = false;
  error: ExchangeError | undefined;

  onCapacity(): void {
    this.capacityCalls += 1;
  }

  onClosed(error: ExchangeError | undefined): void {
    if (this.isClosed) throw new Error('closed twice');
    this.isClosed = true;
    this.error = error;
  }
}

export function latin1(buffer: Uint8Array, offset: number, length: number): string {
  return Buffer.from(buffer.subarray(offset, offset + length)).toString('latin1');
}
