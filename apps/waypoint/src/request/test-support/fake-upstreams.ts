import { type ClientExchange, ExchangeError, type ExchangeErrorKind, type RequestHead } from '@ambit/exchange';

import type { BackendTarget } from '../../config/backend-target.ts';
import { sessionTagOf } from '../session-tag.ts';
import type {
  AttemptResult,
  ConnectFailure,
  EndpointLease,
  PendingAttempt,
  UpstreamChoiceFacts,
  UpstreamFailure,
  Upstreams,
  UpstreamUser,
} from '../upstream.ts';
import { fieldList, fieldsOf, type HeaderPairs } from './fake-server-exchange.ts';
import { RecordedMessage } from './recorded-message.ts';

/** One attempt as the backend sees it, and what a test lets the backend do. */
export class FakeAttempt extends RecordedMessage implements ClientExchange, PendingAttempt {
  readonly target: BackendTarget;
  readonly endpointId: string;
  readonly facts: UpstreamChoiceFacts;
  readonly isEndAtOnce: boolean;
  readonly #user: UpstreamUser;
  readonly #head: RequestHead;
  /** As written when the connection came. */
  sent:
    | {
        readonly method: string;
        readonly authority: string;
        readonly target: string;
        readonly headers: Record<string, string>;
      }
    | undefined;
  isCanceled = false;
  result: AttemptResult | undefined;

  constructor(
    target: BackendTarget,
    endpointId: string,
    facts: UpstreamChoiceFacts,
    head: RequestHead,
    isEnd: boolean,
    user: UpstreamUser,
  ) {
    super();
    this.target = target;
    this.endpointId = endpointId;
    this.facts = facts;
    this.#head = head;
    this.isEndAtOnce = isEnd;
    this.#user = user;
  }

  protected get isOpen(): boolean {
    return !this.isEnded && !this.isAborted;
  }

  connect(): this {
    const { method, authority, target, fields } = this.#head;
    this.sent = { method, authority, target, headers: fieldsOf(fields) };
    this.isEnded = this.isEndAtOnce;
    this.#user.onConnected(this, '10.0.0.9:40000');
    return this;
  }

  failToConnect(failure: Partial<ConnectFailure> = {}): void {
    this.#user.onConnectFailed({ kind: 'refused', transportReason: '', ...failure });
  }

  inform(status: number): void {
    this.#user.onInformational({ status, fields: fieldList({}), contentLength: undefined });
  }

  respond(status: number, headers: HeaderPairs = {}, isEnd = false): this {
    this.#user.onResponse({ status, fields: fieldList(headers), contentLength: undefined }, isEnd);
    if (isEnd && !this.isAborted) this.#user.onEnd(undefined);
    return this;
  }

  sendBody(text: string): this {
    return this.sendBytes(Buffer.from(text));
  }

  sendBytes(bytes: Uint8Array): this {
    this.#user.onBody(bytes, 0, bytes.length);
    return this;
  }

  sendEnd(trailers?: HeaderPairs): void {
    this.#user.onEnd(trailers === undefined ? undefined : fieldList(trailers));
  }

  /** A whole answer. */
  answer(status: number, body = '', headers: HeaderPairs = {}): void {
    if (body === '') {
      this.respond(status, headers, true);
      return;
    }
    this.respond(status, headers);
    if (!this.isAborted) this.sendBody(body);
    if (!this.isAborted) this.sendEnd();
  }

  break(kind: ExchangeErrorKind): void {
    this.#user.onAborted(new ExchangeError(kind, `broken by the test: ${kind}`));
  }

  becomeWritable(): void {
    this.isWritable = true;
    this.#user.onWritable();
  }

  cancel(): void {
    this.isCanceled = true;
  }
}

interface FakeUpstreamsOptions {
  /** Endpoint ids by key of the target; others have one, `<hostname>-0`. An empty list: no endpoint. */
  readonly endpoints?: Readonly<Record<string, readonly string[]>>;
  /** Connections come in the call of `open`. */
  readonly connectsAtOnce?: boolean;
}

/** Backends in the hands of a test. */
export class FakeUpstreams implements Upstreams {
  readonly attempts: FakeAttempt[] = [];
  readonly results: AttemptResult[] = [];
  failure: UpstreamFailure['kind'] | undefined;
  openLeases = 0;
  activeRetries = 0;
  maxRetries: number = Number.POSITIVE_INFINITY;
  readonly #options: FakeUpstreamsOptions;
  readonly #facts = new Map<EndpointLease, { readonly target: BackendTarget; readonly facts: UpstreamChoiceFacts }>();
  readonly #release = new Map<EndpointLease, FakeAttempt>();

  constructor(options: FakeUpstreamsOptions = {}) {
    this.#options = options;
  }

  get last(): FakeAttempt {
    const last = this.attempts.at(-1);
    if (last === undefined) throw new Error('no attempt was made');
    return last;
  }

  choose(target: BackendTarget, facts: UpstreamChoiceFacts): EndpointLease | UpstreamFailure {
    if (this.failure !== undefined) return { kind: this.failure };
    const name = target.kind === 'service' ? target.hostname : target.address;
    const ids = this.#options.endpoints?.[target.key] ?? [`${name}-0`];
    const fresh = ids.filter((one) => !facts.triedEndpoints.includes(one));
    const id = fresh.find((one) => sessionTagOf(one) === facts.sessionTag) ?? fresh[0] ?? ids[0];
    if (id === undefined) return { kind: 'no-endpoint' };
    let isReleased = false;
    this.openLeases += 1;
    const lease: EndpointLease = {
      kind: 'endpoint',
      endpoint: { id, address: `${id}:8080`, sessionTag: sessionTagOf(id), workload: undefined },
      release: (result) => {
        if (isReleased) throw new Error('a lease was released twice');
        isReleased = true;
        this.openLeases -= 1;
        this.results.push(result);
        const attempt = this.#release.get(lease);
        if (attempt !== undefined) attempt.result = result;
      },
    };
    this.#facts.set(lease, { target, facts });
    return lease;
  }

  hasEndpoint(target: BackendTarget, sessionTag: string): boolean {
    return (this.#options.endpoints?.[target.key] ?? []).some((id) => sessionTagOf(id) === sessionTag);
  }

  open(lease: EndpointLease, head: RequestHead, isEnd: boolean, user: UpstreamUser): PendingAttempt {
    const chosen = this.#facts.get(lease);
    if (chosen === undefined) throw new Error('an endpoint that was not chosen here');
    const attempt = new FakeAttempt(chosen.target, lease.endpoint.id, chosen.facts, head, isEnd, user);
    this.attempts.push(attempt);
    this.#release.set(lease, attempt);
    if (this.#options.connectsAtOnce === true) attempt.connect();
    return attempt;
  }

  beginRetry(): boolean {
    if (this.activeRetries >= this.maxRetries) return false;
    this.activeRetries += 1;
    return true;
  }

  endRetry(): void {
    this.activeRetries -= 1;
    if (this.activeRetries < 0) throw new Error('a retry was given back twice');
  }
}
