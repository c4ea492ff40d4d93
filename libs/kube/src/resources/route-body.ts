import type { ObjectReader } from '../object-reader.ts';
import { type ParentRef, readParentRefs, readRouteStatus, type RouteParentStatus } from './parent-ref.ts';

/** What routes of every kind of the Gateway API have in common; `R` is a rule of the kind. */
export interface RouteBody<R> {
  readonly spec: {
    readonly parentRefs: readonly ParentRef[];
    /** Names of hosts or, in TLSRoutes, server names; empty in routes of connections and datagrams. */
    readonly hostnames: readonly string[];
    readonly rules: readonly R[];
  };
  readonly status: { readonly parents: readonly RouteParentStatus[] };
}

/** Reads `spec` and `status` of a route. A missing `spec` is reported and stands for one without parents. */
export function readRouteBody<R>(route: ObjectReader, readRules: (spec: ObjectReader) => readonly R[]): RouteBody<R> {
  const spec = route.requiredObject('spec', (body) => {
    body.ignore('useDefaultGateways');
    return { parentRefs: readParentRefs(body), hostnames: body.strings('hostnames'), rules: readRules(body) };
  });
  return {
    spec: spec ?? { parentRefs: [], hostnames: [], rules: [] },
    status: { parents: readRouteStatus(route) },
  };
}
