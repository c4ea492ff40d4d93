import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readBackends, type RouteBackend } from './http-route.ts';
import { type ParentRef, readParentRefs, readRouteStatus, type RouteParentStatus } from './parent-ref.ts';

export interface StreamRouteRule {
  readonly name: string | undefined;
  readonly backends: readonly RouteBackend[];
}

interface StreamRouteBody {
  readonly spec: {
    readonly parentRefs: readonly ParentRef[];
    /** Server names; only TLSRoutes have any. */
    readonly hostnames: readonly string[];
    readonly rules: readonly StreamRouteRule[];
  };
  readonly status: { readonly parents: readonly RouteParentStatus[] };
}

/** Routes of TLS connections by server name. */
export interface TLSRoute extends ResourceBase<'TLSRoute'>, StreamRouteBody {}

/** Routes of connections. */
export interface TCPRoute extends ResourceBase<'TCPRoute'>, StreamRouteBody {}

/** Routes of datagrams, which nothing here carries: read to say so. */
export interface UDPRoute extends ResourceBase<'UDPRoute'>, StreamRouteBody {}

export function readUDPRoute(reader: ObjectReader, metadata: ObjectMeta, origin: Location): UDPRoute {
  return { kind: 'UDPRoute', metadata, origin, ...readBody(reader) };
}

export function readTLSRoute(reader: ObjectReader, metadata: ObjectMeta, origin: Location): TLSRoute {
  return { kind: 'TLSRoute', metadata, origin, ...readBody(reader) };
}

export function readTCPRoute(reader: ObjectReader, metadata: ObjectMeta, origin: Location): TCPRoute {
  return { kind: 'TCPRoute', metadata, origin, ...readBody(reader) };
}

function readBody(reader: ObjectReader): StreamRouteBody {
  const spec = reader.requiredObject('spec', (body) => {
    body.ignore('useDefaultGateways');
    return {
      parentRefs: readParentRefs(body),
      hostnames: body.strings('hostnames'),
      rules: body.objects('rules', (rule) => ({ name: rule.string('name'), backends: readBackends(rule) })),
    };
  });
  return {
    spec: spec ?? { parentRefs: [], hostnames: [], rules: [] },
    status: { parents: readRouteStatus(reader) },
  };
}
