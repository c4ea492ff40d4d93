/**
 * A permitted request on its way to its backend: endpoint, attempts, limits of time, what of the body has to be sent again.
 * Knows nothing of the client's connection but its owner.
 */
import type { ClientExchange, ExchangeError, FieldList, RequestHead, ResponseHead } from '@ambit/exchange';
import type { RequestAdmitted } from '@ambit/policy';
import { type AttemptOutcome, isRetriable, retryDelayMs } from '@ambit/routing';

import type { BackendTarget } from '../config/backend-target.ts';
import type { RouteRetries } from '../config/route.ts';
import { Alarm, type AlarmUser } from './alarm.ts';
import { BodyCopy } from './body-copy.ts';
import { grpcStatusOf } from './grpc-request.ts';
import {
  attemptTimedOut,
  backendNotFound,
  bodyTooLarge,
  grpcDeadlinePassed,
  type LocalReply,
  noHealthyUpstream,
  requestTimedOut,
} from './local-reply.ts';
import type { RequestRecord, ResponseFlag } from './request-record.ts';
import { maxCopyBytes, type RequestSurroundings } from './request-surroundings.ts';
import { TriedEndpoints } from './tried-endpoints.ts';
import type {
  AttemptResult,
  ConnectFailure,
  EndpointLease,
  PendingAttempt,
  UpstreamChoiceFacts,
  UpstreamUser,
} from './upstream.ts';
import {
  connectFailureReset,
  exchangeReset,
  lateResetDetails,
  overflowReset,
  resetReply,
  type UpstreamReset,
} from './upstream-reset.ts';

/** Everything that was decided about a request before it is sent. */
export interface ForwardPlan {
  /** Only policies give one: what was not admitted cannot be forwarded. */
  readonly permit: RequestAdmitted;
  readonly target: BackendTarget;
  /** Edited; left alone until the end but for the count of attempts. */
  readonly head: RequestHead;
  readonly retries: RouteRetries;
  /** From the end of the request to the end of the answer. */
  readonly timeoutMs: number | undefined;
  /** The limit is the client's own. */
  readonly isClientDeadline: boolean;
  readonly countsAttempts: boolean;
  /** But for the endpoints tried, which come with the attempts. */
  readonly choice: Omit<UpstreamChoiceFacts, 'triedEndpoints'>;
}

/** Who sent the request and gets the answer. Exactly one of `onAnswerEnd`, `onNoAnswer` and `onAnswerBroken` is the last call. */
export interface ForwardingOwner {
  onInformational(head: ResponseHead): void;
  /** The head of the answer that counts; with `isEnd`, `onAnswerEnd` follows. */
  onAnswer(head: ResponseHead, isEnd: boolean): void;
  /** False: wait for `resumeAnswer`. */
  onAnswerBody(buffer: Uint8Array, offset: number, length: number): boolean;
  onAnswerEnd(trailers: FieldList | undefined): void;
  /** Nothing was sent yet; this is to be. */
  onNoAnswer(reply: LocalReply): void;
  /** The answer broke off after its head. */
  onAnswerBroken(flag: ResponseFlag, details: string): void;
  /** No more of the request's body until `resumeRequest`. */
  pauseRequest(): void;
  resumeRequest(): void;
}

type Phase = 'idle' | 'connecting' | 'connected' | 'waiting' | 'done';
type Limit = 'request' | 'attempt' | 'backoff';

export class Forwarding implements UpstreamUser, AlarmUser<Limit> {
  readonly #plan: ForwardPlan;
  readonly #owner: ForwardingOwner;
  readonly #surroundings: RequestSurroundings;
  readonly #record: RequestRecord;
  /** Without a body there is nothing to keep. */
  readonly #copy: BodyCopy | undefined;
  readonly #isUpgrade: boolean;
  #phase: Phase = 'idle';
  #lease: EndpointLease | undefined;
  #pending: PendingAttempt | undefined;
  #exchange: ClientExchange | undefined;
  #requestAlarm: Alarm<Limit> | undefined;
  #attemptAlarm: Alarm<Limit> | undefined;
  #backoffAlarm: Alarm<Limit> | undefined;
  #isRequestEnded: boolean;
  #trailers: FieldList | undefined;
  #tried: TriedEndpoints | undefined;
  #retries = 0;
  #nameSinceMs: number | undefined;
  #holdsRetry = false;
  #isAnswered = false;
  #isUpgraded = false;
  #status = 0;

  /** `body`: what of it came before, now this one's to drop. */
  constructor(
    plan: ForwardPlan,
    owner: ForwardingOwner,
    surroundings: RequestSurroundings,
    record: RequestRecord,
    body: BodyCopy | undefined,
  ) {
    this.#plan = plan;
    this.#owner = owner;
    this.#surroundings = surroundings;
    this.#record = record;
    this.#isUpgrade = plan.head.upgrade !== undefined;
    this.#isRequestEnded = !plan.head.hasBody && !this.#isUpgrade;
    this.#copy = this.#isRequestEnded ? undefined : (body ?? new BodyCopy(surroundings.copyBudget, maxCopyBytes));
  }

  start(): void {
    if (this.#isRequestEnded) this.#startRequestLimit();
    else this.#owner.pauseRequest();
    this.#attempt();
  }

  /** More of the request's body. */
  sendBody(buffer: Uint8Array, offset: number, length: number): void {
    if (this.#phase === 'done' || this.#isRequestEnded) return;
    const isKept = this.#copy?.append(buffer, offset, length) ?? false;
    if (this.#exchange !== undefined) {
      if (!this.#exchange.write(buffer, offset, length)) this.#owner.pauseRequest();
    } else if (!isKept) {
      // Came although it was asked to wait, and there is no room: a client that does not listen.
      this.#endAttempt({ kind: 'canceled' });
      this.#fail(bodyTooLarge);
    }
  }

  /** The request is complete. */
  sendEnd(trailers: FieldList | undefined): void {
    if (this.#phase === 'done' || this.#isRequestEnded) return;
    // The head of an upgrade is the whole request, but its stream stays open until it is known what becomes of it.
    if (this.#isUpgrade && !this.#isUpgraded) return;
    this.#isRequestEnded = true;
    this.#trailers = trailers;
    if (!this.#isUpgrade) this.#startRequestLimit();
    if (this.#phase === 'connecting' || this.#phase === 'connected') this.#startAttemptLimit();
    this.#exchange?.end(trailers);
  }

  /** The client can take more of the answer. */
  resumeAnswer(): void {
    this.#exchange?.resume();
  }

  /** Nobody waits for the answer any more. No further calls of the owner. */
  cancel(): void {
    if (this.#phase === 'done') return;
    this.#endAttempt({ kind: 'canceled' });
    this.#finish();
  }

  onConnected(exchange: ClientExchange, localAddress: string): void {
    // A connection that broke while the head was written has already said so.
    if (this.#phase !== 'connecting') return;
    this.#phase = 'connected';
    this.#pending = undefined;
    this.#exchange = exchange;
    this.#record.upstreamLocalAddress = localAddress;
    const copy = this.#copy;
    if (copy === undefined) return;
    const isReady = copy.writeTo(exchange);
    if (!this.#mayRetry) copy.drop();
    if (this.#isRequestEnded) exchange.end(this.#trailers);
    else if (isReady && !this.#isUpgrade) this.#owner.resumeRequest();
  }

  onConnectFailed(failure: ConnectFailure): void {
    this.#onReset(connectFailureReset(failure));
  }

  onInformational(head: ResponseHead): void {
    if (!this.#isAnswered) this.#owner.onInformational(head);
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    this.#attemptAlarm?.clear();
    this.#status = head.status;
    const outcome: AttemptOutcome = {
      kind: 'response',
      status: head.status,
      grpcStatus: grpcStatusOf(head.fields),
      isRateLimited: head.fields.has('x-envoy-ratelimited'),
      isOverloaded: head.fields.has('x-envoy-overloaded'),
    };
    if (this.#retry(outcome, { kind: 'response', status: head.status }, isEnd)) return;
    this.#isAnswered = true;
    this.#copy?.drop();
    if (this.#isUpgrade) {
      this.#isUpgraded = head.status === 101;
      if (!this.#isUpgraded) this.#exchange?.end();
      this.#isRequestEnded = !this.#isUpgraded;
    }
    this.#owner.onAnswer(head, isEnd);
    if (this.#isUpgrade) this.#owner.resumeRequest();
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    if (!this.#owner.onAnswerBody(buffer, offset, length)) this.#exchange?.pause();
  }

  onEnd(trailers: FieldList | undefined): void {
    if (this.#phase !== 'connected') return;
    const exchange = this.#isRequestEnded ? undefined : this.#exchange;
    this.#exchange = undefined;
    this.#endAttempt({ kind: 'response', status: this.#status });
    this.#finish();
    // The answer is complete before the request: the backend does not want the rest.
    exchange?.abort();
    this.#owner.onAnswerEnd(trailers);
  }

  onWritable(): void {
    if (!this.#isRequestEnded) this.#owner.resumeRequest();
  }

  onAborted(error: ExchangeError): void {
    this.#exchange = undefined;
    this.#onReset(exchangeReset(error));
  }

  onAlarm(limit: Limit): void {
    switch (limit) {
      case 'backoff':
        this.#attempt();
        return;
      case 'attempt':
        if (this.#retry({ kind: 'per-try-timeout' }, { kind: 'timeout' }, false)) return;
        this.#endAttempt({ kind: 'timeout' });
        this.#fail(attemptTimedOut);
        return;
      case 'request':
        this.#endAttempt({ kind: 'timeout' });
        if (this.#isAnswered) this.#break('UT', requestTimedOut.details);
        else this.#fail(this.#plan.isClientDeadline ? grpcDeadlinePassed : requestTimedOut);
    }
  }

  #attempt(): void {
    const { target, head, choice, countsAttempts } = this.#plan;
    const { upstreams } = this.#surroundings;
    const record = this.#record;
    const lease = upstreams.choose(target, {
      ...choice,
      triedEndpoints: this.#tried?.endpoints ?? none,
      leftEndpoints: this.#tried?.left,
    });
    if (lease.kind !== 'endpoint') {
      switch (lease.kind) {
        case 'unknown-backend':
          return this.#fail(backendNotFound);
        case 'no-endpoint':
          return this.#fail(noHealthyUpstream);
        case 'resolving':
          return this.#awaitName();
        case 'overflow':
          return this.#fail(resetReply(overflowReset, this.#retries > 0));
      }
    }
    this.#lease = lease;
    record.endpoint = lease.endpoint;
    record.attempts += 1;
    if (countsAttempts) head.fields.set('x-envoy-attempt-count', String(record.attempts));
    this.#phase = 'connecting';
    if (this.#isRequestEnded) this.#startAttemptLimit();
    const isEnd = this.#copy === undefined;
    const pending = upstreams.open(lease, head, isEnd, this);
    // The answer to `open` may have come during the call.
    if (this.#lease === lease && this.#exchange === undefined) this.#pending = pending;
  }

  /** Somebody looks up where the backend is. */
  #awaitName(): void {
    const { timers } = this.#surroundings;
    this.#nameSinceMs ??= timers.nowMs;
    if (timers.nowMs - this.#nameSinceMs >= longestLookUpMs) return this.#fail(noHealthyUpstream);
    this.#phase = 'waiting';
    this.#backoffAlarm ??= new Alarm(timers, this, 'backoff');
    this.#backoffAlarm.set(lookUpPollMs);
  }

  #onReset(reset: UpstreamReset): void {
    if (this.#isAnswered) {
      this.#endAttempt(reset.result);
      this.#break(reset.flag, lateResetDetails(reset));
      return;
    }
    if (this.#retry(reset.outcome, reset.result, true)) return;
    this.#endAttempt(reset.result);
    if (reset.transportReason !== '') this.#record.transportFailureReason = reset.transportReason;
    this.#fail(resetReply(reset, this.#retries > 0));
  }

  /** True when there will be another attempt. `isOver`: the exchange of this one has ended. */
  #retry(outcome: AttemptOutcome, result: AttemptResult, isOver: boolean): boolean {
    const { policy } = this.#plan.retries;
    if (!this.#mayRetry || !isRetriable(policy, outcome)) return false;
    if (this.#retries >= policy.maxRetries) {
      this.#record.addFlag('URX');
      return false;
    }
    if (this.#copy !== undefined && !this.#copy.isWhole) return false;
    const { upstreams, timers } = this.#surroundings;
    if (!this.#holdsRetry && !upstreams.beginRetry(this.#plan.target)) {
      this.#record.addFlag('UO');
      return false;
    }
    this.#holdsRetry = true;
    if (this.#lease !== undefined)
      (this.#tried ??= new TriedEndpoints()).note(this.#lease.endpoint.id, this.#plan.retries);
    if (isOver) this.#exchange = undefined;
    this.#endAttempt(result);
    this.#retries += 1;
    this.#phase = 'waiting';
    if (!this.#isRequestEnded) this.#owner.pauseRequest();
    this.#backoffAlarm ??= new Alarm(timers, this, 'backoff');
    this.#backoffAlarm.set(retryDelayMs(policy, this.#retries, () => this.#surroundings.random()));
    return true;
  }

  get #mayRetry(): boolean {
    return this.#plan.retries.policy.maxRetries > 0 && !this.#isUpgrade;
  }

  /** Lets go of the endpoint, and of the exchange with it if that is still running. */
  #endAttempt(result: AttemptResult): void {
    this.#attemptAlarm?.clear();
    this.#pending?.cancel();
    this.#pending = undefined;
    const exchange = this.#exchange;
    this.#exchange = undefined;
    const lease = this.#lease;
    this.#lease = undefined;
    lease?.release(result);
    exchange?.abort();
  }

  #fail(reply: LocalReply): void {
    this.#finish();
    this.#owner.onNoAnswer(reply);
  }

  #break(flag: ResponseFlag, details: string): void {
    this.#finish();
    this.#owner.onAnswerBroken(flag, details);
  }

  #finish(): void {
    this.#phase = 'done';
    this.#requestAlarm?.clear();
    this.#attemptAlarm?.clear();
    this.#backoffAlarm?.clear();
    if (this.#holdsRetry) this.#surroundings.upstreams.endRetry(this.#plan.target);
    this.#holdsRetry = false;
    this.#copy?.drop();
  }

  #startRequestLimit(): void {
    const { timeoutMs } = this.#plan;
    if (timeoutMs === undefined) return;
    this.#requestAlarm ??= new Alarm(this.#surroundings.timers, this, 'request');
    this.#requestAlarm.set(timeoutMs);
  }

  #startAttemptLimit(): void {
    const { perTryTimeoutMs } = this.#plan.retries.policy;
    if (perTryTimeoutMs === undefined || this.#isAnswered) return;
    this.#attemptAlarm ??= new Alarm(this.#surroundings.timers, this, 'attempt');
    this.#attemptAlarm.set(perTryTimeoutMs);
  }
}

const none: readonly string[] = [];
/** How long a request waits for the address of its backend, and how often it asks. */
const longestLookUpMs = 3000;
const lookUpPollMs = 20;
