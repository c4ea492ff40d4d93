/** HTTPRoutes and GRPCRoutes, each converted once, however many ports, listeners and statuses ask for it. */
import { route } from '@ambit/api';
import { type Collection, derive, type Graph, join } from '@ambit/collections';
import { type GRPCRoute, type HTTPRoute, resourceKey } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import type { MeshReads } from '../derive/mesh-reads.ts';
import type { MeshObjects } from '../derive/mesh-objects.ts';
import { grpcRoutes, httpRoutes } from './gateway-api-routes.ts';
import type { MeshView } from './mesh-view.ts';
import type { RateLimitFinder } from './rate-limits.ts';
import { parentOf } from './route-parents.ts';
import type { RouteProblem } from './route-problem.ts';
import type { RankedRoute } from './route-rank.ts';

type HttpKind = HTTPRoute | GRPCRoute;

/** What a route came to at one of the two places: routes of gateways need grants for backends elsewhere. */
export interface ConvertedRoute {
  /** `place Kind namespace/name`. */
  readonly key: string;
  readonly ranked: readonly RankedRoute[];
  readonly problems: readonly RouteProblem[];
}

const nothing: Pick<ConvertedRoute, 'ranked' | 'problems'> = { ranked: [], problems: [] };

/** All conversions, kept up to date. */
export class RouteConversions {
  readonly #converted: Collection<ConvertedRoute>;

  constructor(graph: Graph, objects: MeshObjects, view: MeshView, limits: RateLimitFinder) {
    const convert = (from: Collection<HttpKind>): Collection<ConvertedRoute> =>
      derive<HttpKind, ConvertedRoute>(graph, {
        name: `${from.name}-conversions`,
        from,
        keyOf: ({ key }) => key,
        transform: (resource, context) => {
          const { namespace, name } = resource.metadata;
          const rateLimits = limits.of(context, resource.kind, namespace, name);
          return placesOf(resource).map((place) => {
            const problems: RouteProblem[] = [];
            const surroundings = { view: view.services(context), place, listenerPort: 0, rateLimits, problems };
            const ranked =
              resource.kind === 'HTTPRoute' ? httpRoutes(resource, surroundings) : grpcRoutes(resource, surroundings);
            return { key: `${place} ${resourceKey(resource)}`, ranked, problems };
          });
        },
      });
    this.#converted = join<ConvertedRoute>(graph, 'conversions', [
      convert(objects.HTTPRoute),
      convert(objects.GRPCRoute),
    ]);
  }

  of(resource: HttpKind, place: 'mesh' | 'gateway', reads: MeshReads): Pick<ConvertedRoute, 'ranked' | 'problems'> {
    return reads.get(this.#converted, `${place} ${resourceKey(resource)}`) ?? nothing;
  }
}

function placesOf({ spec, metadata }: HttpKind): readonly ('mesh' | 'gateway')[] {
  const kinds = spec.parentRefs.map((ref) => parentOf(ref, metadata.namespace).kind);
  const mesh = kinds.includes('service') ? (['mesh'] as const) : [];
  return kinds.includes('gateway') || kinds.includes('listener-set') ? [...mesh, 'gateway'] : mesh;
}

/** The route as it is on one port: a redirect that names no port names this one. */
export function onPort(message: route.HttpRoute, port: number): route.HttpRoute {
  if (message.action.case !== 'redirect' || message.action.value.port.case !== 'ofListener') return message;
  const redirect = create(route.RedirectSchema, {
    ...message.action.value,
    port: { case: 'ofListener', value: port },
  });
  return create(route.HttpRouteSchema, { ...message, action: { case: 'redirect', value: redirect } });
}
