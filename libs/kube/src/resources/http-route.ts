import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { type BackendObject, maxWeight, readBackendObject } from './backend-ref.ts';
import { readDuration } from './duration.ts';
import { type ParentRef, readParentRefs, readRouteStatus, type RouteParentStatus } from './parent-ref.ts';
import { readFilters, type RouteFilter } from './route-filter.ts';
import { readSessionPersistence, type SessionPersistenceSpec } from './session-persistence.ts';

/** A condition on a header or query parameter. `type` is `Exact`, `RegularExpression` or something not known here. */
export interface RouteFieldMatch {
  readonly type: string;
  readonly name: string;
  readonly value: string;
}

export interface HttpRouteMatch {
  /** Undefined: prefix `/`. `type` is `Exact`, `PathPrefix`, `RegularExpression` or something not known here. */
  readonly path: { readonly type: string; readonly value: string } | undefined;
  readonly headers: readonly RouteFieldMatch[];
  readonly queryParams: readonly RouteFieldMatch[];
  readonly method: string | undefined;
}

/** A backend with its share and the filters that act when it is chosen. */
export interface RouteBackend extends BackendObject {
  readonly weight: number;
  readonly filters: readonly RouteFilter[];
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
export interface HTTPRoute extends ResourceBase<'HTTPRoute'> {
  readonly spec: {
    readonly parentRefs: readonly ParentRef[];
    readonly hostnames: readonly string[];
    readonly rules: readonly HttpRouteRule[];
  };
  readonly status: { readonly parents: readonly RouteParentStatus[] };
}

export function readHTTPRoute(reader: ObjectReader, metadata: ObjectMeta, origin: Location): HTTPRoute {
  const spec = reader.requiredObject('spec', (body) => {
    body.ignore('useDefaultGateways');
    return {
      parentRefs: readParentRefs(body),
      hostnames: body.strings('hostnames'),
      // Without rules there is one that matches everything and has no backend, as the CRD's default says.
      rules: body.has('rules') ? body.objects('rules', readRule) : [matchAll],
    };
  });
  return {
    kind: 'HTTPRoute',
    metadata,
    origin,
    spec: spec ?? { parentRefs: [], hostnames: [], rules: [] },
    status: { parents: readRouteStatus(reader) },
  };
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
      codes: readCodes(body),
      attempts: body.integer('attempts', 0, 1_000),
      backoffMs: readDuration(body, 'backoff'),
    })),
  };
}

function readCodes(reader: ObjectReader): readonly number[] {
  return reader.integers('codes', 400, 599);
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

/** Reads a list of conditions on headers or query parameters. */
export function readFieldMatches(reader: ObjectReader, field: string): readonly RouteFieldMatch[] {
  return reader.objects(field, (match) => ({
    type: match.string('type') ?? 'Exact',
    name: match.requiredString('name'),
    value: match.string('value') ?? '',
  }));
}

/** Reads `backendRefs` with weights and filters. */
export function readBackends(reader: ObjectReader): readonly RouteBackend[] {
  return reader.objects('backendRefs', (backend) => ({
    ...readBackendObject(backend),
    weight: backend.integer('weight', 0, maxWeight) ?? 1,
    filters: readFilters(backend),
  }));
}
