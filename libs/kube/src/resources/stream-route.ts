import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readBackends, type RouteBackend } from './route-backend.ts';
import { readRouteBody, type RouteBody } from './route-body.ts';

export interface StreamRouteRule {
  readonly name: string | undefined;
  readonly backends: readonly RouteBackend[];
}

/** Routes of TLS connections by server name. */
export interface TLSRoute extends ResourceBase<'TLSRoute'>, RouteBody<StreamRouteRule> {}

/** Routes of connections. */
export interface TCPRoute extends ResourceBase<'TCPRoute'>, RouteBody<StreamRouteRule> {}

/** Routes of datagrams, which nothing here carries: read to say so. */
export interface UDPRoute extends ResourceBase<'UDPRoute'>, RouteBody<StreamRouteRule> {}

export function readUDPRoute(reader: ObjectReader, metadata: ObjectMeta, origin: Location): UDPRoute {
  return { kind: 'UDPRoute', metadata, origin, ...readBody(reader) };
}

export function readTLSRoute(reader: ObjectReader, metadata: ObjectMeta, origin: Location): TLSRoute {
  return { kind: 'TLSRoute', metadata, origin, ...readBody(reader) };
}

export function readTCPRoute(reader: ObjectReader, metadata: ObjectMeta, origin: Location): TCPRoute {
  return { kind: 'TCPRoute', metadata, origin, ...readBody(reader) };
}

function readBody(reader: ObjectReader): RouteBody<StreamRouteRule> {
  return readRouteBody(reader, (spec) =>
    spec.objects('rules', (rule) => ({ name: rule.string('name'), backends: readBackends(rule) })),
  );
}
