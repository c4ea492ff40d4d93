/** Routes in the form in which requests are matched and answered. Compiled from ambit.v1.HttpRoute; nothing changes later but the turns of weights. */
import type {
  CorsRules,
  FaultRules,
  PathRewrite,
  PathTest,
  Redirect,
  RetryPolicy,
  RouteTest,
  WeightedChoice,
} from '@ambit/routing';

import type { BackendTarget, ServiceTarget } from './backend-target.ts';
import type { HeaderEdits } from './header-edits.ts';
import type { RateLimitRule } from './rate-limit.ts';
import type { PathKey } from './route-table.ts';
import type { SessionPersistence } from './session-persistence.ts';

/** One alternative of a weighted split. `failed`: its share is answered with the status. */
export interface RouteBackend {
  readonly target:
    | { readonly kind: 'backend'; readonly backend: BackendTarget }
    | { readonly kind: 'failed'; readonly status: number };
  readonly requestHeaders: HeaderEdits | undefined;
  readonly responseHeaders: HeaderEdits | undefined;
}

/** To one of the backends. `choice` undefined: the first takes all; without backends nobody does. */
export interface ForwardAction {
  readonly kind: 'forward';
  readonly backends: readonly RouteBackend[];
  readonly choice: WeightedChoice | undefined;
}

export type RouteAction =
  | ForwardAction
  | { readonly kind: 'redirect'; readonly redirect: Redirect }
  | { readonly kind: 'direct'; readonly status: number; readonly body: Uint8Array };

/** When and how attempts are repeated. */
export interface RouteRetries {
  readonly policy: RetryPolicy;
  /** Attempts may go to an endpoint that was tried before. */
  readonly reusesEndpoints: boolean;
  /** Otherwise a hash chooses the same endpoint for every attempt. */
  readonly leavesHashedEndpoint: boolean;
  /** After each second attempt the places of those before are left out, as long as there are others. */
  readonly leavesTriedPlaces: boolean;
}

export interface MirrorRule {
  readonly backend: ServiceTarget;
  readonly perMillion: number;
}

export interface RouteRewrite {
  readonly authority: string | undefined;
  readonly path: PathRewrite | undefined;
}

/** A route. Any of the tests makes it the request's; none matches everything. */
export interface CompiledRoute {
  readonly name: string;
  readonly tests: readonly RouteTest[];
  /** What each test asks of the path, for the table of routes. */
  readonly pathKeys: readonly PathKey[];
  readonly action: RouteAction;
  readonly requestHeaders: HeaderEdits | undefined;
  readonly responseHeaders: HeaderEdits | undefined;
  readonly rewrite: RouteRewrite | undefined;
  /** Of the whole exchange, from the end of the request on. */
  readonly timeoutMs: number | undefined;
  readonly retries: RouteRetries;
  readonly fault: FaultRules | undefined;
  readonly mirrors: readonly MirrorRule[];
  readonly cors: CorsRules | undefined;
  readonly session: SessionPersistence | undefined;
  readonly limits: readonly RateLimitRule[];
  /** Under which its requests are counted; undefined: not by route. */
  readonly statisticsName: string | undefined;
}

/** A route that was found, and what of the path its match took. */
export interface FoundRoute {
  readonly route: CompiledRoute;
  readonly matched: PathTest | undefined;
}

/** Everything to one backend, as it comes. */
export function plainForward(backend: BackendTarget): ForwardAction {
  const only: RouteBackend = {
    target: { kind: 'backend', backend },
    requestHeaders: undefined,
    responseHeaders: undefined,
  };
  return { kind: 'forward', backends: [only], choice: undefined };
}

/** The backend whose turn it is; undefined if there is none to have one. */
export function nextBackend({ backends, choice }: ForwardAction): RouteBackend | undefined {
  return backends[choice === undefined ? 0 : (choice.next() ?? backends.length)];
}
