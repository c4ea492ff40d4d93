/**
 * Rate limits: takes what the request costs of every bucket that it counts in, here or at a service that counts for all proxies.
 * After policies, before faults. Spec: contract l7 9.1.
 */
import type { TokenBuckets, TokenTaken } from '@ambit/routing';

import type { ConfigSnapshot } from '../config/config-snapshot.ts';
import type { RateLimitRule } from '../config/rate-limit.ts';
import type { CompiledRoute } from '../config/route.ts';
import type { ServedTarget } from './downstream-facts.ts';
import { limitValues } from './limit-values.ts';
import { type LocalReply, localReply } from './local-reply.ts';
import { LimitQuestion, type LimitVerdict, type QuestionedLimit } from './limit-question.ts';
import type { RequestSurroundings } from './request-surroundings.ts';
import type { RequestView } from './request-view.ts';

type Headers = readonly (readonly [name: string, value: string])[];

/** Whose request it is. One of the two is called, perhaps before `start` returns. */
export interface LimitGateOwner {
  onWithinLimits(responseHeaders: Headers): void;
  onLimited(reply: LocalReply): void;
  pauseRequest(): void;
}

/** `dry-run`: over, and let through because its policy only tries. `failed`: who counts has not answered. */
export type LimitResult = 'allowed' | 'limited' | 'dry-run' | 'failed';

/** Told of each limit that a request was counted by. */
export interface LimitObserver {
  onLimit(limit: RateLimitRule, result: LimitResult): void;
}

/** What a request that waits is taken to need. */
const heldRequestBytes = 4096;
const none: readonly RateLimitRule[] = [];

/** Those of the proxy, of the service, of the route. */
export function limitsOf(
  { proxy, destinations }: ConfigSnapshot,
  served: ServedTarget,
  route: CompiledRoute,
): readonly RateLimitRule[] {
  const ofService = served.kind === 'service' ? (destinations.get(served.key)?.destination.limits ?? none) : none;
  if (proxy.limits.length + ofService.length + route.limits.length === 0) return none;
  return [...proxy.limits, ...ofService, ...route.limits];
}

/** A bucket as clients are told of it. */
interface Told {
  readonly requests: number;
  readonly windowSec: number;
  readonly remaining: number;
  readonly resetSec: number;
}

export class LimitGate {
  readonly #limits: readonly RateLimitRule[];
  readonly #config: ConfigSnapshot;
  readonly #view: RequestView;
  readonly #routeName: string;
  readonly #surroundings: RequestSurroundings;
  readonly #owner: LimitGateOwner;
  readonly #questions: { readonly service: string; readonly limits: QuestionedLimit[] }[] = [];
  readonly #headers: (readonly [name: string, value: string])[] = [];
  #told: Told | undefined;
  #question: LimitQuestion | undefined;
  #hasMemory = false;

  constructor(
    limits: readonly RateLimitRule[],
    config: ConfigSnapshot,
    view: RequestView,
    routeName: string,
    surroundings: RequestSurroundings,
    owner: LimitGateOwner,
  ) {
    this.#limits = limits;
    this.#config = config;
    this.#view = view;
    this.#routeName = routeName;
    this.#surroundings = surroundings;
    this.#owner = owner;
  }

  start(): void {
    const { buckets } = this.#surroundings;
    for (const limit of this.#limits) {
      const values = limitValues(limit.keys, this.#view, this.#routeName);
      if (values === undefined) continue;
      if (limit.scope.kind === 'global') this.#put(limit, limit.scope.service, values);
      else if (!this.#take(limit, limit.scope.bucket, values, buckets)) return;
    }
    if (this.#questions.length === 0) return this.#pass();
    this.#hasMemory = this.#surroundings.copyBudget.take(heldRequestBytes);
    if (!this.#hasMemory) {
      for (const { limits } of this.#questions) this.#count(limits, () => 'failed');
      return this.#refuse(serviceFailed);
    }
    this.#owner.pauseRequest();
    this.#askNext();
  }

  cancel(): void {
    this.#question?.cancel();
    this.#close();
  }

  /** False: refused. */
  #take(
    limit: RateLimitRule,
    bucket: Parameters<TokenBuckets['take']>[2],
    values: readonly string[],
    buckets: TokenBuckets,
  ): boolean {
    const taken = buckets.take(limit.name, values.join('\n'), bucket);
    if (limit.tellsClients) this.#tell(limit, taken);
    this.#surroundings.limits?.onLimit(limit, taken.isTaken ? 'allowed' : overResult(limit));
    if (taken.isTaken || limit.isDryRun) return true;
    const waitSec = String(Math.max(1, Math.ceil(taken.waitMs / 1000)));
    this.#refuse(limited('local_rate_limited', limit.tellsClients ? [['retry-after', waitSec]] : []));
    return false;
  }

  /** Of several limits clients are told of the one that they meet first. */
  #tell({ requests, intervalMs }: RateLimitRule, { remaining, fullInMs }: TokenTaken): void {
    if (this.#told !== undefined && this.#told.remaining <= remaining) return;
    const windowSec = Math.ceil(intervalMs / 1000);
    this.#told = { requests, windowSec, remaining, resetSec: Math.ceil(fullInMs / 1000) };
  }

  #put(limit: RateLimitRule, service: string, values: readonly string[]): void {
    const known = this.#questions.find((question) => question.service === service);
    if (known === undefined) this.#questions.push({ service, limits: [{ limit, values }] });
    else known.limits.push({ limit, values });
  }

  #askNext(): void {
    const next = this.#questions.shift();
    if (next === undefined) return this.#pass();
    const service = this.#config.proxy.limitServices.get(next.service);
    // Nobody to ask, and nobody to say what that means: as for a service that does not answer, by default.
    if (service === undefined) {
      this.#count(next.limits, () => 'failed');
      return this.#askNext();
    }
    this.#question = new LimitQuestion(this.#surroundings, service, next.limits, (verdict) => {
      this.#count(next.limits, (limit, i) => resultOf(verdict, limit, i));
      this.#onVerdict(verdict, service.failsOpen);
    });
    this.#question.start(this.#view);
  }

  #onVerdict(verdict: LimitVerdict, failsOpen: boolean): void {
    this.#question = undefined;
    switch (verdict.kind) {
      case 'failed':
        if (!failsOpen) return this.#refuse(serviceFailed);
        break;
      case 'over':
        this.#told = verdict.told ?? this.#told;
        return this.#refuse(limited('request_rate_limited', verdict.headers));
      case 'within':
        this.#headers.push(...verdict.headers);
        this.#told = verdict.told ?? this.#told;
    }
    this.#askNext();
  }

  #count(limits: readonly QuestionedLimit[], result: (limit: RateLimitRule, index: number) => LimitResult): void {
    for (const [i, { limit }] of limits.entries()) this.#surroundings.limits?.onLimit(limit, result(limit, i));
  }

  #pass(): void {
    this.#close();
    this.#owner.onWithinLimits([...this.#headers, ...this.#toldHeaders()]);
  }

  #refuse(reply: LocalReply): void {
    this.#close();
    this.#owner.onLimited({ ...reply, headers: [...reply.headers, ...this.#toldHeaders()] });
  }

  /** Spec: draft-ietf-httpapi-ratelimit-headers-03, as Envoy writes them. */
  #toldHeaders(): Headers {
    const told = this.#told;
    if (told === undefined) return [];
    const { requests, windowSec, remaining, resetSec } = told;
    return [
      ['x-ratelimit-limit', `${requests}, ${requests};w=${windowSec}`],
      ['x-ratelimit-remaining', String(remaining)],
      ['x-ratelimit-reset', String(resetSec)],
    ];
  }

  #close(): void {
    if (this.#hasMemory) this.#surroundings.copyBudget.giveBack(heldRequestBytes);
    this.#hasMemory = false;
  }
}

function overResult({ isDryRun }: RateLimitRule): LimitResult {
  return isDryRun ? 'dry-run' : 'limited';
}

function resultOf(verdict: LimitVerdict, limit: RateLimitRule, index: number): LimitResult {
  if (verdict.kind === 'failed') return 'failed';
  return verdict.over[index] === true ? overResult(limit) : 'allowed';
}

/** Envoy: a limit that was met here has a body, one of a service has not. */
function limited(details: 'local_rate_limited' | 'request_rate_limited', headers: Headers): LocalReply {
  const body = details === 'local_rate_limited' ? details : '';
  return localReply(429, body, details, { flag: 'RL', headers: [['x-envoy-ratelimited', 'true'], ...headers] });
}

const serviceFailed: LocalReply = localReply(500, '', 'rate_limiter_error', { flag: 'RLSE' });
