import {
  type ExchangeError,
  FieldList,
  type RequestHead,
  type ResponseHead,
  type ServerExchange,
  type ServerExchangeUser,
} from '@ambit/exchange';

import { RecordedMessage } from './recorded-message.ts';

export type HeaderPairs = Readonly<Record<string, string | readonly string[]>>;

/** A request's head as a connection gives it; fields by lower-case name. */
export function requestHead(
  parts: Partial<Omit<RequestHead, 'fields'>> & { readonly headers?: HeaderPairs } = {},
): RequestHead {
  const { headers = {}, ...rest } = parts;
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'shop.example.com',
    target: '/',
    protocol: 'HTTP/1.1',
    contentLength: undefined,
    hasBody: false,
    upgrade: undefined,
    expectsContinue: false,
    ...rest,
    fields: fieldList(headers),
  };
}

export function fieldList(headers: HeaderPairs): FieldList {
  const fields = new FieldList();
  for (const [name, values] of Object.entries(headers)) {
    for (const value of typeof values === 'string' ? [values] : values) fields.add(name, value);
  }
  return fields;
}

export function fieldsOf(fields: FieldList | undefined): Record<string, string> {
  const record: Record<string, string> = {};
  for (let i = 0; i < (fields?.length ?? 0); i++) {
    const name = fields?.nameAt(i) ?? '';
    record[name] = fields?.joined(name) ?? '';
  }
  return record;
}

const nobody: ServerExchangeUser = { onBody() {}, onEnd() {}, onWritable() {}, onAborted() {} };

/** The client's side of a request, as a test sees and moves it. */
export class FakeServerExchange extends RecordedMessage implements ServerExchange {
  readonly head: RequestHead;
  user: ServerExchangeUser = nobody;
  readonly informational: number[] = [];
  answer: ResponseHead | undefined;
  closesAfter = false;

  constructor(head: RequestHead) {
    super();
    this.head = head;
  }

  protected get isOpen(): boolean {
    return this.answer !== undefined && !this.isEnded;
  }

  get status(): number | undefined {
    return this.answer?.status;
  }

  get headers(): Record<string, string> {
    return fieldsOf(this.answer?.fields);
  }

  sendBody(text: string): void {
    const bytes = Buffer.from(text);
    this.user.onBody(bytes, 0, bytes.length);
  }

  sendEnd(trailers?: FieldList): void {
    this.user.onEnd(trailers);
  }

  leave(error: ExchangeError): void {
    this.isAborted = true;
    this.user.onAborted(error);
  }

  respondInformational(head: ResponseHead): void {
    if (this.answer !== undefined) throw new Error('informational after the answer');
    this.informational.push(head.status);
  }

  respond(head: ResponseHead, isEnd: boolean): void {
    if (this.answer !== undefined) throw new Error(`answered twice: ${this.answer.status}, ${head.status}`);
    if (this.isAborted) throw new Error('answered after it was given up');
    this.answer = head;
    this.isEnded = isEnd;
  }

  closeAfter(): void {
    this.closesAfter = true;
  }
}
