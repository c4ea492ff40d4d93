/**
 * The steps of a request before its route acts: external authorisation, tokens and policies, the route, rate limits, injected
 * faults. Holds what comes of the body meanwhile. Spec: contract l7 5.1 for the order.
 */
import type { RequestAdmitted } from '@ambit/policy';
import { drawFault } from '@ambit/routing';

import type { Access } from '../config/access.ts';
import type { ConfigSnapshot } from '../config/config-snapshot.ts';
import type { CompiledRoute } from '../config/route.ts';
import { admitRequest } from './admit-request.ts';
import { AuthorizationGate } from './authorization-gate.ts';
import { BodyCopy } from './body-copy.ts';
import type { DownstreamFacts } from './downstream-facts.ts';
import { FaultDelay } from './fault-delay.ts';
import { accessOf, findRoute, type RouteFinding } from './find-route.ts';
import { LimitGate, limitsOf } from './limit-gate.ts';
import { bodyTooLarge, faultAborted, type LocalReply, routeNotFound } from './local-reply.ts';
import type { RequestRecord } from './request-record.ts';
import { maxCopyBytes, type RequestSurroundings } from './request-surroundings.ts';
import type { RequestView } from './request-view.ts';

type Headers = readonly (readonly [name: string, value: string])[];
export type FoundForRequest = RouteFinding & { readonly kind: 'found' };

/** Whose request it is. One of `onEntered` and `onTurnedAway` is the last call, perhaps before `start` returns. */
export interface EntranceOwner {
  /** `body`: what of it came meanwhile, now the owner's to drop; undefined if nothing did. */
  onEntered(permit: RequestAdmitted, found: FoundForRequest, view: RequestView, body: BodyCopy | undefined): void;
  onTurnedAway(reply: LocalReply): void;
  /** For the answer, whoever gives it. */
  addHeaders(headers: Headers): void;
  pauseRequest(): void;
  resumeRequest(): void;
}

export class Entrance {
  readonly #facts: DownstreamFacts;
  readonly #config: ConfigSnapshot;
  readonly #surroundings: RequestSurroundings;
  readonly #record: RequestRecord;
  /** For a target that is a workload. */
  readonly #workloadRoute: CompiledRoute | undefined;
  readonly #owner: EntranceOwner;
  #gate: AuthorizationGate | undefined;
  #step: { cancel(): void } | undefined;
  #body: BodyCopy | undefined;
  #isOver = false;

  constructor(
    facts: DownstreamFacts,
    config: ConfigSnapshot,
    surroundings: RequestSurroundings,
    record: RequestRecord,
    workloadRoute: CompiledRoute | undefined,
    owner: EntranceOwner,
  ) {
    this.#facts = facts;
    this.#config = config;
    this.#surroundings = surroundings;
    this.#record = record;
    this.#workloadRoute = workloadRoute;
    this.#owner = owner;
  }

  start(view: RequestView, isRequestEnded: boolean): void {
    const access = accessOf(this.#config, this.#facts.served);
    if (access === undefined) return this.#turnAway(routeNotFound);
    const asked = access.http.custom.size === 0 ? [] : access.http.providersToAsk(view);
    if (asked.length === 0) return this.#admit(view, access);
    const gate = new AuthorizationGate(asked, this.#config, view, this.#surroundings, {
      onPassed: (responseHeaders, body) => {
        this.#gate = undefined;
        this.#body = body;
        this.#owner.addHeaders(responseHeaders);
        this.#admit(view, access);
      },
      onRefused: (reply) => {
        this.#gate = undefined;
        this.#turnAway(reply);
      },
      pauseRequest: () => this.#owner.pauseRequest(),
      resumeRequest: () => this.#owner.resumeRequest(),
    });
    this.#gate = gate;
    gate.start(isRequestEnded);
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    if (this.#gate !== undefined) return this.#gate.onBody(buffer, offset, length);
    if (this.#isOver) return;
    // It came although the request waits, and was asked to.
    this.#body ??= new BodyCopy(this.#surroundings.copyBudget, maxCopyBytes);
    if (!this.#body.append(buffer, offset, length)) this.#turnAway(bodyTooLarge);
  }

  onEnd(): void {
    this.#gate?.onEnd();
  }

  /** No further calls. */
  cancel(): void {
    this.#isOver = true;
    this.#gate?.cancel();
    this.#gate = undefined;
    this.#step?.cancel();
    this.#step = undefined;
    this.#body?.drop();
    this.#body = undefined;
  }

  #admit(view: RequestView, access: Access): void {
    const admission = admitRequest(view, access, this.#record, this.#surroundings.wallTimeMs());
    if (admission.kind === 'answer') return this.#turnAway(admission.reply);
    const { permit } = admission;
    const finding = findRoute(this.#config, this.#facts.served, view, this.#workloadRoute);
    if (finding.kind === 'answer') return this.#turnAway(finding.reply);
    const { route } = finding;
    this.#record.routeName = route.name;
    this.#record.statisticsName = route.statisticsName;
    const limits = limitsOf(this.#config, this.#facts.served, route);
    if (limits.length === 0) return this.#inject(permit, finding, view);
    const gate = new LimitGate(limits, this.#config, view, route.name, this.#surroundings, {
      onWithinLimits: (responseHeaders) => {
        this.#step = undefined;
        this.#owner.addHeaders(responseHeaders);
        this.#inject(permit, finding, view);
      },
      onLimited: (reply) => this.#turnAway(reply),
      pauseRequest: () => this.#owner.pauseRequest(),
    });
    this.#step = gate;
    gate.start();
  }

  #inject(permit: RequestAdmitted, found: FoundForRequest, view: RequestView): void {
    const rules = found.route.fault;
    if (rules === undefined) return this.#enter(permit, found, view);
    const { delayMs, abort } = drawFault(rules, () => this.#surroundings.random());
    const goOn = (): void => {
      if (abort === undefined) return this.#enter(permit, found, view);
      this.#turnAway(faultAborted(abort.status, this.#record.isGrpc ? abort.grpcStatus : undefined));
    };
    if (delayMs <= 0) return goOn();
    this.#record.addFlag('DI');
    this.#owner.pauseRequest();
    this.#step = new FaultDelay(this.#surroundings.timers, delayMs, goOn);
  }

  #enter(permit: RequestAdmitted, found: FoundForRequest, view: RequestView): void {
    const body = this.#body;
    this.#body = undefined;
    this.#isOver = true;
    this.#step = undefined;
    this.#owner.onEntered(permit, found, view, body);
  }

  #turnAway(reply: LocalReply): void {
    this.cancel();
    this.#owner.onTurnedAway(reply);
  }
}
