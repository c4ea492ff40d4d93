import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readDuration } from './duration.ts';
import { readBackends, type RouteBackend } from './route-backend.ts';
import { readRouteBody, type RouteBody } from './route-body.ts';
import { readFieldMatches, type RouteFieldMatch } from './route-field-match.ts';
import { readFilters, type RouteFilter } from './route-filter.ts';
import { readSessionPersistence, type SessionPersistenceSpec } from './session-persistence.ts';

export interface HttpRouteMatch {
  /** Undefined: prefix `/`. `type` is `Exact`, `PathPrefix`, `RegularExpression` or something not known here. */
  readonly path: { readonly type: string; readonly value: string } | undefined;
  readonly headers: readonly RouteFieldMatch[];
  readonly queryParams: readonly RouteFieldMatch[];
  readonly method: string | undefined;
}

export interface RouteRetry {
  readonly codes: readonly number[];
  readonly attempts: number | undefined;
  /** Milliseconds. */
  readonly backoffMs: number | undefined;
}

export interface HttpRouteRule {
  readonly name: string | undefined;
  readonly matches: readonly HttpRouteMatch[];
  readonly filters: readonly RouteFilter[];
  readonly backends: readonly RouteBackend[];
  /** Milliseconds; 0 is "none". */
  readonly requestTimeoutMs: number | undefined;
  readonly backendRequestTimeoutMs: number | undefined;
  readonly retry: RouteRetry | undefined;
  readonly session: SessionPersistenceSpec | undefined;
}

/** Routes of HTTP requests at a gateway or for a service. */
export interface HTTPRoute extends ResourceBase<'HTTPRoute'>, RouteBody<HttpRouteRule> {}

export function readHTTPRoute(reader: ObjectReader, metadata: ObjectMeta, origin: Location): HTTPRoute {
  // Without rules there is one that matches everything and has no backend, as the CRD's default says.
  const body = readRouteBody(reader, (spec) => (spec.has('rules') ? spec.objects('rules', readRule) : [matchAll]));
  return { kind: 'HTTPRoute', metadata, origin, ...body };
}

const matchAll: HttpRouteRule = {
  name: undefined,
  matches: [],
  filters: [],
  backends: [],
  requestTimeoutMs: undefined,
  backendRequestTimeoutMs: undefined,
  retry: undefined,
  session: undefined,
};

function readRule(reader: ObjectReader): HttpRouteRule {
  const timeouts = reader.object('timeouts', (body) => ({
    requestTimeoutMs: readDuration(body, 'request'),
    backendRequestTimeoutMs: readDuration(body, 'backendRequest'),
  }));
  return {
    name: reader.string('name'),
    matches: reader.objects('matches', readMatch),
    filters: readFilters(reader),
    backends: readBackends(reader),
    session: readSessionPersistence(reader),
    requestTimeoutMs: timeouts?.requestTimeoutMs,
    backendRequestTimeoutMs: timeouts?.backendRequestTimeoutMs,
    retry: reader.object('retry', (body) => ({
      codes: body.integers('codes', 400, 599),
      attempts: body.integer('attempts', 0, 1_000),
      backoffMs: readDuration(body, 'backoff'),
    })),
  };
}

function readMatch(reader: ObjectReader): HttpRouteMatch {
  return {
    path: reader.object('path', (path) => ({
      type: path.string('type') ?? 'PathPrefix',
      value: path.string('value') ?? '/',
    })),
    headers: readFieldMatches(reader, 'headers'),
    queryParams: readFieldMatches(reader, 'queryParams'),
    method: reader.string('method'),
  };
}
