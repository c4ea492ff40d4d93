import type { ClientExchange, FieldList, RequestHead, ResponseHead } from '@ambit/exchange';

import type { AuthorizationProvider } from '../config/authorization-provider.ts';
import { Alarm, type AlarmUser } from './alarm.ts';
import type { RequestSurroundings } from './request-surroundings.ts';
import type { AttemptResult, EndpointLease, PendingAttempt, UpstreamUser } from './upstream.ts';
import type { RequestView } from './request-view.ts';

/** A whole answer of an authorisation service. */
export interface CheckAnswer {
  readonly head: ResponseHead;
  readonly body: Buffer;
  readonly trailers: FieldList | undefined;
}

/** Largest answer that is read: it becomes the client's. */
const maxAnswerBytes = 64 * 1024;

/**
 * One request to an authorisation service, with its whole answer collected: given to `onAnswer` once, undefined if none came
 * in time. Not repeated: a refusal that was not heard is no permission.
 */
export class CheckExchange implements UpstreamUser, AlarmUser<'late'> {
  readonly #surroundings: RequestSurroundings;
  readonly #provider: AuthorizationProvider;
  readonly #onAnswer: (answer: CheckAnswer | undefined) => void;
  readonly #late: Alarm<'late'>;
  readonly #chunks: Buffer[] = [];
  #body: Uint8Array | undefined;
  #bytes = 0;
  #head: ResponseHead | undefined;
  #lease: EndpointLease | undefined;
  #pending: PendingAttempt | undefined;
  #exchange: ClientExchange | undefined;
  #isDone = false;

  constructor(
    surroundings: RequestSurroundings,
    provider: AuthorizationProvider,
    onAnswer: (answer: CheckAnswer | undefined) => void,
  ) {
    this.#surroundings = surroundings;
    this.#provider = provider;
    this.#onAnswer = onAnswer;
    this.#late = new Alarm(surroundings.timers, this, 'late');
  }

  /** `view`: the request in question. */
  start(head: RequestHead, body: Uint8Array | undefined, view: RequestView): void {
    const { upstreams } = this.#surroundings;
    const lease = upstreams.choose(this.#provider.target, {
      hash: undefined,
      triedEndpoints: [],
      clientProtocol: head.protocol,
      isUpgrade: false,
      originalAddress: view.facts.destinationAddress,
      originalPort: view.facts.destinationPort,
      requestHost: this.#provider.target.hostname,
    });
    if (lease.kind !== 'endpoint') return this.#finish(undefined, { kind: 'canceled' });
    this.#lease = lease;
    this.#body = body;
    this.#late.set(this.#provider.timeoutMs);
    const pending = upstreams.open(lease, head, body === undefined, this);
    if (!this.#isDone && this.#exchange === undefined) this.#pending = pending;
  }

  cancel(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#stop({ kind: 'canceled' });
  }

  onConnected(exchange: ClientExchange): void {
    if (this.#isDone) return;
    this.#pending = undefined;
    this.#exchange = exchange;
    const body = this.#body;
    if (body === undefined) return;
    if (body.length > 0) exchange.write(body, 0, body.length);
    exchange.end();
  }

  onConnectFailed(): void {
    this.#finish(undefined, { kind: 'connect-failure' });
  }

  onInformational(): void {}

  onResponse(head: ResponseHead): void {
    this.#head = head;
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    this.#bytes += length;
    if (this.#bytes > maxAnswerBytes) return this.#finish(undefined, { kind: 'canceled' });
    this.#chunks.push(Buffer.from(buffer.subarray(offset, offset + length)));
  }

  onEnd(trailers: FieldList | undefined): void {
    const head = this.#head;
    this.#exchange = undefined;
    if (head === undefined) return this.#finish(undefined, { kind: 'reset' });
    const answer: CheckAnswer = { head, body: Buffer.concat(this.#chunks), trailers };
    this.#finish(answer, { kind: 'response', status: head.status });
  }

  onWritable(): void {}

  onAborted(): void {
    this.#exchange = undefined;
    this.#finish(undefined, { kind: 'reset' });
  }

  onAlarm(): void {
    this.#finish(undefined, { kind: 'timeout' });
  }

  #finish(answer: CheckAnswer | undefined, result: AttemptResult): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#stop(result);
    this.#onAnswer(answer);
  }

  #stop(result: AttemptResult): void {
    this.#late.clear();
    this.#pending?.cancel();
    this.#pending = undefined;
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#lease?.release(result);
    this.#lease = undefined;
    exchange?.abort();
  }
}
