import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readBackends, type RouteBackend } from './route-backend.ts';
import { readRouteBody, type RouteBody } from './route-body.ts';
import { readFieldMatches, type RouteFieldMatch } from './route-field-match.ts';
import { readFilters, type RouteFilter } from './route-filter.ts';
import { readSessionPersistence, type SessionPersistenceSpec } from './session-persistence.ts';

export interface GrpcRouteMatch {
  /** Undefined: any method. `type` is `Exact`, `RegularExpression` or something not known here. */
  readonly method:
    | { readonly type: string; readonly service: string | undefined; readonly method: string | undefined }
    | undefined;
  readonly headers: readonly RouteFieldMatch[];
}

export interface GrpcRouteRule {
  readonly name: string | undefined;
  readonly matches: readonly GrpcRouteMatch[];
  readonly filters: readonly RouteFilter[];
  readonly backends: readonly RouteBackend[];
  readonly session: SessionPersistenceSpec | undefined;
}

/** Routes of gRPC calls at a gateway or for a service. */
export interface GRPCRoute extends ResourceBase<'GRPCRoute'>, RouteBody<GrpcRouteRule> {}

export function readGRPCRoute(reader: ObjectReader, metadata: ObjectMeta, origin: Location): GRPCRoute {
  const body = readRouteBody(reader, (spec) => spec.objects('rules', readRule));
  return { kind: 'GRPCRoute', metadata, origin, ...body };
}

function readRule(reader: ObjectReader): GrpcRouteRule {
  return {
    name: reader.string('name'),
    matches: reader.objects('matches', (match) => ({
      method: match.object('method', (method) => ({
        type: method.string('type') ?? 'Exact',
        service: method.string('service'),
        method: method.string('method'),
      })),
      headers: readFieldMatches(match, 'headers'),
    })),
    filters: readFilters(reader),
    backends: readBackends(reader),
    session: readSessionPersistence(reader),
  };
}
