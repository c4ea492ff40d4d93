/**
 * A copy of a request for another backend, whose answer nobody sees. Never slows, fails or repeats the request it is a copy
 * of: what it cannot keep up with ends it. Spec: contract l7 1.5, RequestMirror.
 */
import type { ClientExchange, FieldList, RequestHead } from '@ambit/exchange';
import type { RequestAdmitted } from '@ambit/policy';

import type { BackendTarget } from '../config/backend-target.ts';
import { Alarm, type AlarmUser } from './alarm.ts';
import { BodyCopy } from './body-copy.ts';
import { isGrpcMessage } from './grpc-request.ts';
import { maxCopyBytes, type RequestSurroundings } from './request-surroundings.ts';
import type { RequestView } from './request-view.ts';
import { withoutSampling } from './trace/trace-context.ts';
import type { AttemptResult, EndpointLease, PendingAttempt, UpstreamUser } from './upstream.ts';

/** How long an answer that nobody waits for may take when the route sets no limit. */
const longestMs = 60_000;

export class MirrorRequest implements UpstreamUser, AlarmUser<'late'> {
  readonly #surroundings: RequestSurroundings;
  /** Until there is a connection. */
  readonly #waiting: BodyCopy;
  readonly #late: Alarm<'late'>;
  readonly #timeoutMs: number;
  #lease: EndpointLease | undefined;
  #pending: PendingAttempt | undefined;
  #exchange: ClientExchange | undefined;
  #isRequestEnded = false;
  #trailers: FieldList | undefined;
  #status = 0;
  /** Bytes written while the connection did not want any. */
  #behindBytes = 0;

  /** The permit is that of the request: a copy goes only where the original may. */
  constructor(_permit: RequestAdmitted, surroundings: RequestSurroundings, timeoutMs: number | undefined) {
    this.#surroundings = surroundings;
    this.#waiting = new BodyCopy(surroundings.copyBudget, maxCopyBytes);
    this.#late = new Alarm(surroundings.timers, this, 'late');
    this.#timeoutMs = Math.min(timeoutMs ?? longestMs, longestMs);
  }

  /** The head as it goes to the request's own backend; copied. */
  start(target: BackendTarget, head: RequestHead, view: RequestView, isEnd: boolean): void {
    const lease = this.#surroundings.upstreams.choose(target, {
      hash: undefined,
      triedEndpoints: [],
      clientProtocol: head.protocol,
      isVersionOfEdge: view.facts.served.kind === 'server' && !isGrpcMessage(head.fields),
      isUpgrade: false,
      originalAddress: view.facts.destinationAddress,
      originalPort: view.facts.destinationPort,
      requestHost: head.authority,
    });
    if (lease.kind !== 'endpoint') return this.#waiting.drop();
    this.#lease = lease;
    const copy: RequestHead = { ...head, fields: head.fields.copy() };
    withoutSampling(copy.fields);
    if (isEnd) this.#endRequest();
    const pending = this.#surroundings.upstreams.open(lease, copy, isEnd, this);
    if (this.#isOpen && this.#exchange === undefined) this.#pending = pending;
  }

  /** What of the body came before the start. */
  hold(buffer: Uint8Array, offset: number, length: number): boolean {
    return this.#waiting.append(buffer, offset, length);
  }

  write(buffer: Uint8Array, offset: number, length: number): void {
    if (!this.#isOpen || this.#isRequestEnded) return;
    if (this.#exchange === undefined) {
      if (!this.#waiting.append(buffer, offset, length)) this.abort();
      return;
    }
    if (this.#exchange.write(buffer, offset, length)) return;
    this.#behindBytes += length;
    if (this.#behindBytes > maxCopyBytes) this.abort();
  }

  end(trailers: FieldList | undefined): void {
    if (!this.#isOpen || this.#isRequestEnded) return;
    this.#trailers = trailers?.copy();
    this.#endRequest();
    this.#exchange?.end(this.#trailers);
  }

  /** The request itself was given up before it was complete. */
  abortIfIncomplete(): void {
    if (!this.#isRequestEnded) this.abort();
  }

  abort(): void {
    if (!this.#isOpen) return;
    if (this.#exchange === undefined) this.#pending?.cancel();
    else this.#exchange.abort();
    this.#close({ kind: 'canceled' });
  }

  onConnected(exchange: ClientExchange): void {
    if (!this.#isOpen) return;
    this.#exchange = exchange;
    const hadBody = this.#waiting.bytes > 0;
    if (!this.#waiting.writeTo(exchange)) this.#behindBytes = this.#waiting.bytes;
    this.#waiting.drop();
    if (this.#isRequestEnded && (hadBody || this.#trailers !== undefined)) exchange.end(this.#trailers);
  }

  onConnectFailed(): void {
    this.#close({ kind: 'connect-failure' });
  }

  onInformational(): void {}

  onResponse(head: { readonly status: number }): void {
    this.#status = head.status;
  }

  onBody(): void {}

  onEnd(): void {
    const exchange = this.#isRequestEnded ? undefined : this.#exchange;
    this.#close({ kind: 'response', status: this.#status });
    exchange?.abort();
  }

  onWritable(): void {
    this.#behindBytes = 0;
  }

  onAborted(): void {
    this.#close({ kind: 'reset' });
  }

  onAlarm(): void {
    this.abort();
  }

  get #isOpen(): boolean {
    return this.#lease !== undefined;
  }

  #endRequest(): void {
    this.#isRequestEnded = true;
    this.#late.set(this.#timeoutMs);
  }

  #close(result: AttemptResult): void {
    this.#late.clear();
    this.#waiting.drop();
    const lease = this.#lease;
    this.#lease = undefined;
    this.#pending = undefined;
    lease?.release(result);
  }
}
