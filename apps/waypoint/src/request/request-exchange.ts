/**
 * One request from its head to the last byte of its answer: plans step by step, carries the plan out, tells the record once.
 * Spec: contract l7 5.1 for the order of the steps.
 */
import type { ExchangeError, FieldList, ResponseHead, ServerExchange, ServerExchangeUser } from '@ambit/exchange';
import { ErrorCode } from '@ambit/http';
import type { RequestAdmitted } from '@ambit/policy';
import { decideCors, redirectLocation } from '@ambit/routing';

import { type ConfigSnapshot, telemetryOf } from '../config/config-snapshot.ts';
import type { CompiledRoute, RouteBackend } from '../config/route.ts';
import { Alarm, type AlarmUser } from './alarm.ts';
import { finishAnswer, localAnswer } from './answer-head.ts';
import type { BodyCopy } from './body-copy.ts';
import type { DownstreamFacts } from './downstream-facts.ts';
import { editResponse } from './edit-request.ts';
import { Entrance, type EntranceOwner, type FoundForRequest } from './entrance.ts';
import { Forwarding, type ForwardingOwner } from './forwarding.ts';
import { GrpcMessageCounter } from './grpc-message-counter.ts';
import { grpcStatusOf, isGrpcMessage } from './grpc-request.ts';
import { failedShare, type LocalReply, localReply, noUsableBackend, redirectReply, streamIdle } from './local-reply.ts';
import { MirrorRequest } from './mirror-request.ts';
import { planForward } from './plan-forward.ts';
import { prepareRequest } from './prepare-request.ts';
import { RequestRecord, type ResponseFlag } from './request-record.ts';
import { chooseBackend, RequestSession } from './request-session.ts';
import type { RequestSurroundings } from './request-surroundings.ts';
import { corsRequest, type RequestView } from './request-view.ts';
import { takeIntoTrace } from './trace/trace-context.ts';

type Wait = 'idle' | 'linger';
type Headers = readonly (readonly [name: string, value: string])[];

/** How long a client may go on sending on an upgraded stream that the backend has ended. */
const lingerMs = 30_000;

export class RequestExchange implements ServerExchangeUser, EntranceOwner, ForwardingOwner, AlarmUser<Wait> {
  readonly #exchange: ServerExchange;
  readonly #facts: DownstreamFacts;
  readonly #surroundings: RequestSurroundings;
  readonly #config: ConfigSnapshot;
  readonly #record: RequestRecord;
  readonly #workloadRoute: CompiledRoute | undefined;
  #addedHeaders: Headers = [];
  #entrance: Entrance | undefined;
  #session: RequestSession | undefined;
  /** What came before it was clear where to. */
  #heldBody: BodyCopy | undefined;
  #forwarding: Forwarding | undefined;
  #mirrors: MirrorRequest[] | undefined;
  #found: FoundForRequest | undefined;
  #backend: RouteBackend | undefined;
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
    const tracing = telemetryOf(this.#config, this.#facts.served)?.tracing;
    if (tracing?.enabled === true) {
      record.trace = takeIntoTrace(head.fields, tracing, proxy.kind === 'gateway' ? 2 : 1, this.#surroundings.random);
    }
    this.#surroundings.observer.onRequestStart(record);
    if (prepared.kind === 'answer') return this.#reply(prepared.reply);
    record.clientAddress = prepared.clientAddress;
    if (proxy.handling.streamIdleTimeoutMs !== undefined) {
      this.#idleAlarm = new Alarm(this.#surroundings.timers, this, 'idle');
      this.#idleAlarm.set(proxy.handling.streamIdleTimeoutMs);
    }

    const entrance = new Entrance(this.#facts, this.#config, this.#surroundings, record, this.#workloadRoute, this);
    this.#entrance = entrance;
    entrance.start(prepared.view, this.#isRequestEnded);
  }

  onEntered(permit: RequestAdmitted, found: FoundForRequest, view: RequestView, body: BodyCopy | undefined): void {
    this.#found = found;
    this.#heldBody = body;
    this.#answer(permit, found, view);
  }

  onTurnedAway(reply: LocalReply): void {
    this.#reply(reply);
  }

  addHeaders(headers: Headers): void {
    if (headers.length > 0) this.#addedHeaders = [...this.#addedHeaders, ...headers];
  }

  /** CORS, then what the route says. */
  #answer(permit: RequestAdmitted, found: FoundForRequest, view: RequestView): void {
    const { route } = found;
    if (route.cors !== undefined) {
      const decision = decideCors(route.cors, corsRequest(view));
      if (decision.kind === 'answer') {
        return this.#reply(localReply(decision.status, '', 'cors_response', { headers: decision.headers }));
      }
      this.addHeaders(decision.responseHeaders);
    }
    const { action } = route;
    if (action.kind === 'forward') {
      const { upstreams } = this.#surroundings;
      if (route.session !== undefined)
        this.#session = new RequestSession(route.session, view, this.#surroundings.wallTimeMs());
      const backend = chooseBackend(action, this.#session?.tag, (target, tag) => upstreams.hasEndpoint(target, tag));
      return this.#forward(permit, found, backend, view);
    }
    if (action.kind === 'direct') return this.#reply(localReply(action.status, action.body, 'direct_response'));
    this.#reply(redirectReply(action.redirect.status, redirectLocation(action.redirect, view, found.matched)));
  }

  #forward(
    permit: RequestAdmitted,
    found: FoundForRequest,
    backend: RouteBackend | undefined,
    view: RequestView,
  ): void {
    if (backend === undefined) return this.#reply(noUsableBackend);
    if (backend.target.kind === 'failed') return this.#reply(failedShare(backend.target.status));
    const record = this.#record;
    const target = backend.target.backend;
    this.#backend = backend;
    record.target = target;
    const body = this.#heldBody;
    const tag = this.#session?.tag;
    const { plan, setCookie } = planForward(permit, found, backend, target, view, record, this.#config, tag);
    if (setCookie !== undefined) this.addHeaders([['set-cookie', setCookie]]);
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
    else this.#entrance?.onBody(buffer, offset, length);
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
    else this.#entrance?.onEnd();
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
    const told = record.endpoint === undefined ? undefined : this.#session?.answerHeader(record.endpoint);
    if (told !== undefined) this.addHeaders([told]);
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
    record.localReplyBody = reply.body;
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
    this.#entrance?.cancel();
    this.#heldBody?.drop();
    this.#idleAlarm?.clear();
    if (this.#mirrors !== undefined) for (const mirror of this.#mirrors) mirror.abortIfIncomplete();
    record.requestMessages = this.#requestCounter?.count ?? 0;
    record.responseMessages = this.#responseCounter?.count ?? 0;
    record.endMs = this.#surroundings.timers.nowMs;
    if (record.trace?.isSampled === true) this.#surroundings.spans?.add(record, this.#config);
    this.#surroundings.observer.onRequestEnd(record);
  }
}
