/**
 * One request from its head to the last byte of its answer: plans step by step, carries the plan out, tells the record once.
 * Spec: contract l7 5.1 for the order of the steps.
 */
import type { ExchangeError, FieldList, ResponseHead, ServerExchange, ServerExchangeUser } from '@ambit/exchange';
import { ErrorCode } from '@ambit/http';
import type { RequestAdmitted } from '@ambit/policy';
import { decideCors, drawFault, type InjectedFault, redirectLocation } from '@ambit/routing';

import type { Access } from '../config/access.ts';
import type { ConfigSnapshot } from '../config/config-snapshot.ts';
import { type CompiledRoute, nextBackend, type RouteBackend } from '../config/route.ts';
import { admitRequest } from './admit-request.ts';
import { Alarm, type AlarmUser } from './alarm.ts';
import { finishAnswer, localAnswer } from './answer-head.ts';
import { AuthorizationGate } from './authorization-gate.ts';
import type { BodyCopy } from './body-copy.ts';
import type { DownstreamFacts } from './downstream-facts.ts';
import { editResponse } from './edit-request.ts';
import { accessOf, findRoute, type RouteFinding } from './find-route.ts';
import { Forwarding, type ForwardingOwner } from './forwarding.ts';
import { GrpcMessageCounter } from './grpc-message-counter.ts';
import { grpcStatusOf, isGrpcMessage } from './grpc-request.ts';
import {
  failedShare,
  faultAborted,
  type LocalReply,
  localReply,
  noUsableBackend,
  redirectReply,
  routeNotFound,
  streamIdle,
} from './local-reply.ts';
import { MirrorRequest } from './mirror-request.ts';
import { planForward } from './plan-forward.ts';
import { prepareRequest } from './prepare-request.ts';
import { RequestRecord, type ResponseFlag } from './request-record.ts';
import type { RequestSurroundings } from './request-surroundings.ts';
import { corsRequest, type RequestView } from './request-view.ts';
import { takeIntoTrace } from './trace/trace-context.ts';

type Found = RouteFinding & { readonly kind: 'found' };
type Wait = 'fault' | 'idle' | 'linger';
type Headers = readonly (readonly [name: string, value: string])[];

/** How long a client may go on sending on an upgraded stream that the backend has ended. */
const lingerMs = 30_000;

export class RequestExchange implements ServerExchangeUser, ForwardingOwner, AlarmUser<Wait> {
  readonly #exchange: ServerExchange;
  readonly #facts: DownstreamFacts;
  readonly #surroundings: RequestSurroundings;
  readonly #config: ConfigSnapshot;
  readonly #record: RequestRecord;
  readonly #workloadRoute: CompiledRoute | undefined;
  #addedHeaders: Headers = [];
  #gate: AuthorizationGate | undefined;
  /** What came while others were asked. */
  #heldBody: BodyCopy | undefined;
  #forwarding: Forwarding | undefined;
  #mirrors: MirrorRequest[] | undefined;
  #found: Found | undefined;
  #backend: RouteBackend | undefined;
  #faultAlarm: Alarm<Wait> | undefined;
  #afterFault: (() => void) | undefined;
  #idleAlarm: Alarm<Wait> | undefined;
  #lingerAlarm: Alarm<Wait> | undefined;
  #lastActivityMs: number;
  #requestCounter: GrpcMessageCounter | undefined;
  #responseCounter: GrpcMessageCounter | undefined;
  #isPaused = false;
  #isRequestEnded = false;
  #requestTrailers: FieldList | undefined;
  #isAnswered = false;
  /** The answer's head was all of it. */
  #isAnswerEnded = false;
  #isUpgraded = false;
  #isDone = false;

  constructor(
    exchange: ServerExchange,
    facts: DownstreamFacts,
    surroundings: RequestSurroundings,
    workloadRoute: CompiledRoute | undefined,
  ) {
    const { nowMs } = surroundings.timers;
    this.#exchange = exchange;
    this.#facts = facts;
    this.#surroundings = surroundings;
    this.#config = surroundings.config();
    this.#workloadRoute = workloadRoute;
    this.#lastActivityMs = nowMs;
    this.#record = new RequestRecord(facts, exchange.head, nowMs, surroundings.wallTimeMs());
    this.#isRequestEnded = !exchange.head.hasBody && exchange.head.upgrade === undefined;
    if (this.#isRequestEnded) this.#record.requestEndMs = nowMs;
  }

  start(): void {
    const { head } = this.#exchange;
    const record = this.#record;
    if (isGrpcMessage(head.fields)) {
      record.isGrpc = true;
      this.#requestCounter = new GrpcMessageCounter();
      this.#responseCounter = new GrpcMessageCounter();
    }
    const { proxy } = this.#config;
    const prepared = prepareRequest(head, this.#facts, proxy, this.#surroundings);
    const tracing = proxy.telemetry?.tracing;
    if (tracing?.enabled === true) {
      record.trace = takeIntoTrace(head.fields, tracing.samplePerTenThousand, this.#surroundings.random);
    }
    this.#surroundings.observer.onRequestStart(record);
    if (prepared.kind === 'answer') return this.#reply(prepared.reply);
    record.clientAddress = prepared.clientAddress;
    if (proxy.handling.streamIdleTimeoutMs !== undefined) {
      this.#idleAlarm = new Alarm(this.#surroundings.timers, this, 'idle');
      this.#idleAlarm.set(proxy.handling.streamIdleTimeoutMs);
    }

    const access = accessOf(this.#config, this.#facts.served);
    if (access === undefined) return this.#reply(routeNotFound);
    const asked = access.http.custom.size === 0 ? [] : access.http.providersToAsk(prepared.view);
    if (asked.length === 0) return this.#admit(prepared.view, access);
    this.#ask(prepared.view, access, asked);
  }

  #ask(view: RequestView, access: Access, asked: readonly string[]): void {
    const gate = new AuthorizationGate(asked, this.#config, view, this.#surroundings, {
      onPassed: (responseHeaders, body) => {
        this.#gate = undefined;
        this.#addedHeaders = responseHeaders;
        this.#heldBody = body;
        this.#admit(view, access);
      },
      onRefused: (reply) => {
        this.#gate = undefined;
        this.#reply(reply);
      },
      pauseRequest: () => this.pauseRequest(),
      resumeRequest: () => this.resumeRequest(),
    });
    this.#gate = gate;
    gate.start(this.#isRequestEnded);
  }

  #admit(view: RequestView, access: Access): void {
    const admission = admitRequest(view, access, this.#record, this.#surroundings.wallTimeMs());
    if (admission.kind === 'answer') return this.#reply(admission.reply);
    const { permit } = admission;
    const finding = findRoute(this.#config, this.#facts.served, view, this.#workloadRoute);
    if (finding.kind === 'answer') return this.#reply(finding.reply);
    const { route } = finding;
    this.#found = finding;
    this.#record.routeName = route.name;
    if (route.fault === undefined) return this.#answer(permit, finding, view);
    const fault = drawFault(route.fault, () => this.#surroundings.random());
    const goOn = (): void => this.#afterDelay(fault, permit, finding, view);
    if (fault.delayMs <= 0) return goOn();
    this.#record.addFlag('DI');
    this.pauseRequest();
    this.#afterFault = goOn;
    this.#faultAlarm = new Alarm(this.#surroundings.timers, this, 'fault');
    this.#faultAlarm.set(fault.delayMs);
  }

  #afterDelay(fault: InjectedFault, permit: RequestAdmitted, found: Found, view: RequestView): void {
    if (fault.abort === undefined) return this.#answer(permit, found, view);
    this.#reply(faultAborted(fault.abort.status, this.#record.isGrpc ? fault.abort.grpcStatus : undefined));
  }

  /** CORS, then what the route says. */
  #answer(permit: RequestAdmitted, found: Found, view: RequestView): void {
    const { route } = found;
    if (route.cors !== undefined) {
      const decision = decideCors(route.cors, corsRequest(view));
      if (decision.kind === 'answer') {
        return this.#reply(localReply(decision.status, '', 'cors_response', { headers: decision.headers }));
      }
      if (decision.responseHeaders.length > 0)
        this.#addedHeaders = [...this.#addedHeaders, ...decision.responseHeaders];
    }
    const { action } = route;
    if (action.kind === 'forward') return this.#forward(permit, found, nextBackend(action), view);
    if (action.kind === 'direct') return this.#reply(localReply(action.status, action.body, 'direct_response'));
    this.#reply(redirectReply(action.redirect.status, redirectLocation(action.redirect, view, found.matched)));
  }

  #forward(permit: RequestAdmitted, found: Found, backend: RouteBackend | undefined, view: RequestView): void {
    if (backend === undefined) return this.#reply(noUsableBackend);
    if (backend.target.kind === 'failed') return this.#reply(failedShare(backend.target.status));
    const record = this.#record;
    const target = backend.target.backend;
    this.#backend = backend;
    record.target = target;
    const body = this.#heldBody;
    const { plan, setCookie } = planForward(permit, found, backend, target, view, record, this.#config);
    if (setCookie !== undefined) this.#addedHeaders = [...this.#addedHeaders, ['set-cookie', setCookie]];
    for (const { backend: copyTo, perMillion } of found.route.mirrors) {
      if (view.head.upgrade !== undefined || this.#surroundings.random() * 1_000_000 >= perMillion) continue;
      const mirror = new MirrorRequest(permit, this.#surroundings, plan.timeoutMs);
      (this.#mirrors ??= []).push(mirror);
      body?.writeTo({ write: (buffer, offset, length) => mirror.hold(buffer, offset, length) });
      mirror.start(copyTo, view.head, view, !view.head.hasBody);
    }
    const forwarding = new Forwarding(plan, this, this.#surroundings, record, body);
    this.#heldBody = undefined;
    this.#forwarding = forwarding;
    forwarding.start();
    // The whole request came before it was clear where it goes.
    if (this.#isRequestEnded && view.head.hasBody) this.#sendEnd();
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    if (this.#isDone) return;
    this.#record.requestBytes += length;
    this.#lastActivityMs = this.#surroundings.timers.nowMs;
    this.#requestCounter?.pass(buffer, offset, length);
    if (this.#mirrors !== undefined) for (const mirror of this.#mirrors) mirror.write(buffer, offset, length);
    if (this.#forwarding !== undefined) this.#forwarding.sendBody(buffer, offset, length);
    else this.#gate?.onBody(buffer, offset, length);
  }

  onEnd(trailers: FieldList | undefined): void {
    this.#lingerAlarm?.clear();
    if (this.#isDone || this.#isRequestEnded) return;
    const isHeadOfUpgrade = this.#exchange.head.upgrade !== undefined && !this.#isAnswered;
    if (isHeadOfUpgrade) return;
    this.#isRequestEnded = true;
    this.#record.requestEndMs = this.#surroundings.timers.nowMs;
    this.#requestTrailers = trailers;
    if (this.#forwarding !== undefined) this.#sendEnd();
    else this.#gate?.onEnd();
  }

  onWritable(): void {
    this.#forwarding?.resumeAnswer();
  }

  onAborted(error: ExchangeError): void {
    this.#lingerAlarm?.clear();
    if (this.#isDone) return;
    const record = this.#record;
    record.addFlag(error.kind === 'protocol' ? 'DPE' : 'DC');
    record.details = error.kind === 'protocol' ? 'http.protocol_error' : 'downstream_remote_disconnect';
    this.#forwarding?.cancel();
    this.#finish();
  }

  onInformational(head: ResponseHead): void {
    if (this.#exchange.head.protocol !== 'HTTP/1.0') this.#exchange.respondInformational(head);
  }

  onAnswer(head: ResponseHead, isEnd: boolean): void {
    const record = this.#record;
    const { nowMs } = this.#surroundings.timers;
    this.#isAnswered = true;
    this.#isAnswerEnded = isEnd;
    this.#lastActivityMs = nowMs;
    record.responseHead = head;
    record.responseStartMs = nowMs;
    record.details = 'via_upstream';
    record.grpcStatus = grpcStatusOf(head.fields);
    const sinceMs = record.requestEndMs === 0 ? record.startMs : record.requestEndMs;
    head.fields.set('x-envoy-upstream-service-time', String(Math.round(nowMs - sinceMs)));
    // What HTTP/1.1 calls switching, HTTP/2 calls success.
    this.#isUpgraded = head.status === 101;
    if (this.#isUpgraded && this.#exchange.head.protocol === 'HTTP/2') {
      head.status = 200;
      head.fields.remove('sec-websocket-accept');
    }
    record.status = head.status;
    editResponse(this.#found, this.#backend, record);
    this.#finishHead(head);
    this.#exchange.respond(head, isEnd);
  }

  onAnswerBody(buffer: Uint8Array, offset: number, length: number): boolean {
    this.#record.responseBytes += length;
    this.#lastActivityMs = this.#surroundings.timers.nowMs;
    this.#responseCounter?.pass(buffer, offset, length);
    return this.#exchange.write(buffer, offset, length);
  }

  onAnswerEnd(trailers: FieldList | undefined): void {
    const record = this.#record;
    record.responseTrailers = trailers;
    record.grpcStatus = grpcStatusOf(trailers) ?? record.grpcStatus;
    if (!this.#isAnswerEnded) this.#exchange.end(trailers);
    if (this.#isUpgraded && !this.#isRequestEnded) this.#linger();
    this.#finish();
  }

  onNoAnswer(reply: LocalReply): void {
    this.#reply(reply);
  }

  onAnswerBroken(flag: ResponseFlag, details: string): void {
    this.#record.addFlag(flag);
    this.#record.details = details;
    // Not as if the client had given up: what it has is not all of the answer.
    this.#exchange.abort(ErrorCode.internalError);
    this.#finish();
  }

  pauseRequest(): void {
    if (this.#isPaused || this.#isRequestEnded) return;
    this.#isPaused = true;
    this.#exchange.pause();
  }

  resumeRequest(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#exchange.resume();
  }

  onAlarm(wait: Wait): void {
    if (wait === 'linger') return this.#exchange.abort();
    if (wait === 'fault') {
      const goOn = this.#afterFault;
      this.#afterFault = undefined;
      goOn?.();
      return;
    }
    const { timers } = this.#surroundings;
    const limitMs = this.#config.proxy.handling.streamIdleTimeoutMs ?? 0;
    const restMs = this.#lastActivityMs + limitMs - timers.nowMs;
    if (restMs > 0) return this.#idleAlarm?.set(restMs);
    this.#forwarding?.cancel();
    const reply = streamIdle(this.#isRequestEnded);
    if (this.#isAnswered) this.onAnswerBroken('SI', reply.details);
    else this.#reply(reply);
  }

  /** Nobody reads what the client still sends; it is to end as well. */
  #linger(): void {
    this.resumeRequest();
    this.#lingerAlarm = new Alarm(this.#surroundings.timers, this, 'linger');
    this.#lingerAlarm.set(lingerMs);
  }

  #sendEnd(): void {
    if (this.#mirrors !== undefined) for (const mirror of this.#mirrors) mirror.end(this.#requestTrailers);
    this.#forwarding?.sendEnd(this.#requestTrailers);
  }

  #finishHead(head: ResponseHead): void {
    finishAnswer(head.fields, {
      serverHeader: this.#config.proxy.handling.serverHeader,
      wallTimeMs: this.#surroundings.wallTimeMs(),
      addedHeaders: this.#addedHeaders,
    });
  }

  /** The proxy's own answer: the only one then. */
  #reply(reply: LocalReply): void {
    const exchange = this.#exchange;
    const record = this.#record;
    const { head, body, grpcStatus } = localAnswer(reply, record.isGrpc);
    if (reply.flag !== undefined) record.addFlag(reply.flag);
    record.details = reply.details;
    record.status = head.status;
    record.grpcStatus = grpcStatus;
    record.responseHead = head;
    record.responseStartMs = this.#surroundings.timers.nowMs;
    if (reply.details === 'direct_response') editResponse(this.#found, this.#backend, record);
    this.#finishHead(head);
    this.#isAnswered = true;
    // The rest of the request is of no use: the connection decides whether to read it or to close.
    this.resumeRequest();
    const hasBody = body !== undefined && exchange.head.method !== 'HEAD';
    exchange.respond(head, !hasBody);
    if (hasBody) {
      record.responseBytes += body.length;
      exchange.write(body, 0, body.length);
      exchange.end();
    }
    this.#finish();
  }

  #finish(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    const record = this.#record;
    this.#gate?.cancel();
    this.#heldBody?.drop();
    this.#faultAlarm?.clear();
    this.#idleAlarm?.clear();
    if (this.#mirrors !== undefined) for (const mirror of this.#mirrors) mirror.abortIfIncomplete();
    record.requestMessages = this.#requestCounter?.count ?? 0;
    record.responseMessages = this.#responseCounter?.count ?? 0;
    record.endMs = this.#surroundings.timers.nowMs;
    if (record.trace?.isSampled === true) this.#surroundings.spans?.add(record, this.#config);
    this.#surroundings.observer.onRequestEnd(record);
  }
}
