import type { ClientExchange, FieldList, RequestHead, ResponseHead } from '@ambit/exchange';

import type { ServiceTarget } from '../config/backend-target.ts';
import { Alarm, type AlarmUser } from './alarm.ts';
import type { Timers } from './timers.ts';
import type { RequestView } from './request-view.ts';
import type { AttemptResult, EndpointLease, PendingAttempt, Upstreams, UpstreamUser } from './upstream.ts';

/** A whole answer. */
export interface UnaryAnswer {
  readonly head: ResponseHead;
  readonly body: Buffer;
  readonly trailers: FieldList | undefined;
}

/** Whom to ask, and how long to wait. */
export interface UnaryPeer {
  readonly target: ServiceTarget;
  readonly timeoutMs: number;
}

interface UnarySurroundings {
  readonly timers: Timers;
  readonly upstreams: Upstreams;
}

/** Largest answer that is read: that of an authorisation service becomes the client's. */
const maxAnswerBytes = 64 * 1024;

/**
 * A request of the proxy's own, with its whole answer collected: given to `onAnswer` once, undefined if none came in time. Not
 * repeated: a refusal that was not heard is no permission.
 */
export class UnaryExchange implements UpstreamUser, AlarmUser<'late'> {
  readonly #surroundings: UnarySurroundings;
  readonly #peer: UnaryPeer;
  readonly #onAnswer: (answer: UnaryAnswer | undefined) => void;
  readonly #late: Alarm<'late'>;
  readonly #chunks: Buffer[] = [];
  #body: Uint8Array | undefined;
  #bytes = 0;
  #head: ResponseHead | undefined;
  #lease: EndpointLease | undefined;
  #pending: PendingAttempt | undefined;
  #exchange: ClientExchange | undefined;
  #isDone = false;

  constructor(surroundings: UnarySurroundings, peer: UnaryPeer, onAnswer: (answer: UnaryAnswer | undefined) => void) {
    this.#surroundings = surroundings;
    this.#peer = peer;
    this.#onAnswer = onAnswer;
    this.#late = new Alarm(surroundings.timers, this, 'late');
  }

  /** `view`: the request in question, if it is about one. */
  start(head: RequestHead, body: Uint8Array | undefined, view: RequestView | undefined): void {
    const { upstreams } = this.#surroundings;
    const lease = upstreams.choose(this.#peer.target, {
      hash: undefined,
      triedEndpoints: [],
      clientProtocol: head.protocol,
      isUpgrade: false,
      originalAddress: view?.facts.destinationAddress ?? '',
      originalPort: view?.facts.destinationPort ?? 0,
      requestHost: this.#peer.target.hostname,
    });
    if (lease.kind !== 'endpoint') return this.#finish(undefined, { kind: 'canceled' });
    this.#lease = lease;
    this.#body = body;
    this.#late.set(this.#peer.timeoutMs);
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
    const answer: UnaryAnswer = { head, body: Buffer.concat(this.#chunks), trailers };
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

  #finish(answer: UnaryAnswer | undefined, result: AttemptResult): void {
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
