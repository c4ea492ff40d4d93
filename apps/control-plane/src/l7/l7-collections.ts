/** Everything that L7 proxies are told, kept up to date. */
import { type access } from '@ambit/api';
import { type Collection, derive, type FetchContext, type Graph, join, SourceCollection } from '@ambit/collections';
import { type Gateway, type RequestAuthentication, type SourceReport } from '@ambit/kube';
import type { MeshService } from '../derive/mesh-service.ts';
import type { MeshObjects } from '../derive/mesh-objects.ts';
import type { MeshSources } from '../derive/mesh-sources.ts';
import type { StatusWrite } from '../derive/status-write.ts';
import { haveSameBytes } from '../derive/mesh-workload.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import { AccessRuleFinder } from './access-rules.ts';
import { BackendTlsFinder } from './backend-tls.ts';
import { DestinationPlanner, type PlannedDestination } from './destination-plan.ts';
import { DestinationRules } from './destination-rules.ts';
import { ListenerFinder } from './gateway-listeners.ts';
import { GatewayPlanner, type PlannedGateway, type PlannedServer } from './gateway-plan.ts';
import { type KeyPlace, type KeySource, keySourceOf } from './jwks-source.ts';
import { destinationName, type L7Gateway, l7Gateway } from './l7-gateway.ts';
import { MeshView } from './mesh-view.ts';
import { fieldStatuses } from './field-statuses.ts';
import { extensionStatuses } from './proxy-extensions.ts';
import { authorizationProvider, type PlannedProxy, planProxy } from './proxy-plan.ts';
import { type LimitServiceUse, limitServiceUses } from './limit-services.ts';
import { RateLimitFinder } from './rate-limits.ts';
import { RouteConversions } from './route-conversion.ts';
import { l7Statuses } from './l7-statuses.ts';
import { RouteJudge } from './route-judge.ts';
import { ServiceRoutes } from './service-routes.ts';
import { TelemetryFinder } from './telemetry-settings.ts';
import { subsetMembers } from './subset-members.ts';

export interface L7Collections {
  /** By `namespace/name`. */
  readonly gateways: Collection<L7Gateway>;
  /** By resource name, as are `destinations`. */
  readonly proxies: Collection<PlannedProxy>;
  readonly destinations: Collection<PlannedDestination>;
  readonly servers: Collection<PlannedServer>;
  /** Statuses of routes that are still to be written. */
  readonly statuses: Collection<StatusWrite>;
  /** What of the resources is not in force. */
  readonly findings: Collection<SourceReport>;
  /** Keys that have to be fetched, by `KeyPlace.key`. */
  readonly keyPlaces: Collection<KeyPlace>;
  /** Keys that were fetched; whoever fetches them puts them in. */
  readonly keys: SourceCollection<KeySource>;
}

export interface L7Inputs {
  /** For what is still to be written. */
  readonly sources: MeshSources;
  readonly objects: MeshObjects;
  readonly services: Collection<MeshService>;
  readonly settings: MeshSettings;
}

/** A service that one gateway sends requests to. */
interface BackendUse {
  readonly gateway: string;
  readonly service: string;
}

export function l7Collections(graph: Graph, inputs: L7Inputs): L7Collections {
  const { sources, objects, services, settings } = inputs;
  const gateways = derive<Gateway, L7Gateway>(graph, {
    name: 'l7-gateways',
    from: objects.Gateway,
    keyOf: ({ key }) => key,
    transform: (gateway, context) => {
      const found = l7Gateway(gateway, context.get(objects.GatewayClass, gateway.spec.gatewayClassName), settings);
      return found === undefined ? [] : [found];
    },
    isEqual: (a, b) => a.gateway === b.gateway && a.controllerName === b.controllerName && a.role === b.role,
  });
  const keys = new SourceCollection<KeySource>(graph, 'jwks', ({ key }) => key);
  const view = new MeshView(objects, services, settings);
  const limits = new RateLimitFinder(objects);
  const telemetry = new TelemetryFinder(objects, view, settings);
  const conversions = new RouteConversions(graph, objects, view, limits);
  const access = new AccessRuleFinder(objects, keys, settings);
  const listeners = new ListenerFinder(graph, gateways, objects, view);
  const planner = new DestinationPlanner({
    listeners,
    view,
    rules: new DestinationRules(objects, settings),
    routes: new ServiceRoutes(objects, conversions, settings),
    access,
    tls: new BackendTlsFinder(objects),
    members: subsetMembers(graph, objects, services, settings),
    limits,
    telemetry,
    objects,
  });
  const served = servedDestinations(graph, services, gateways, planner);
  const gatewayPlanner = new GatewayPlanner(objects, listeners, view, conversions);
  const plans = derive<L7Gateway, PlannedGateway>(graph, {
    name: 'gateway-plans',
    from: gateways,
    keyOf: ({ at }) => at.key,
    transform: (at, context) => (at.role === 'gateway' ? [{ at, plan: gatewayPlanner.plan(at, context) }] : []),
    // What is made of a plan has its own equality.
    isEqual: () => false,
  });
  const servers = derive<PlannedGateway, PlannedServer>(graph, {
    name: 'servers',
    from: plans,
    keyOf: ({ name }) => name,
    transform: ({ plan }) => plan.servers,
    isEqual: haveSameBytes,
  });
  const serversByGateway = servers.index('by-gateway', ({ gateway }) => [gateway]);
  const limitUses = limitServiceUses(graph, { objects, gateways, served, settings });
  const usesByGateway = limitUses.index('by-gateway', ({ gateway }) => [gateway]);
  const uses = join<BackendUse>(graph, 'backend-uses', [
    derive<LimitServiceUse, BackendUse>(graph, {
      name: 'limit-service-backends',
      from: limitUses,
      keyOf: useKey,
      transform: ({ gateway, service }) => [{ gateway, service }],
    }),
    derive<PlannedServer, BackendUse>(graph, {
      name: 'server-backends',
      from: servers,
      keyOf: useKey,
      transform: ({ gateway, backends }) => backends.map((service) => ({ gateway, service })),
    }),
    derive<PlannedDestination, BackendUse>(graph, {
      name: 'route-backends',
      from: served,
      keyOf: useKey,
      transform: ({ gateway, backends }) => backends.map((service) => ({ gateway, service })),
    }),
    derive<L7Gateway, BackendUse>(graph, {
      name: 'provider-backends',
      from: gateways,
      keyOf: useKey,
      transform: ({ key }, context) =>
        [
          ...settings.authorizationProviders,
          ...settings.tracingProviders.map(({ collector }) => collector),
          ...settings.logProviders.flatMap(({ collector }) => collector ?? []),
        ].flatMap((provider) => {
          const service = view.configuredService(context, provider.service);
          return service === undefined ? [] : [{ gateway: key, service: service.key }];
        }),
    }),
  ]);
  const backends = derive<BackendUse, PlannedDestination>(graph, {
    name: 'backend-destinations',
    from: uses,
    keyOf: ({ name }) => name,
    transform: ({ gateway, service: serviceKey }, context) => {
      const at = context.get(gateways, gateway);
      const service = context.get(services, serviceKey);
      const isServed = context.get(served, destinationName(gateway, serviceKey)) !== undefined;
      return at === undefined || service === undefined || isServed ? [] : [planner.plan(service, at, false, context)];
    },
    isEqual: haveSameBytes,
  });
  const destinations = join<PlannedDestination>(graph, 'destinations', [served, backends], haveSameBytes);
  const byGateway = destinations.index('by-gateway', ({ gateway }) => [gateway]);
  const proxies = derive<L7Gateway, PlannedProxy>(graph, {
    name: 'proxies',
    from: gateways,
    keyOf: ({ name }) => name,
    transform: (at, context) => {
      const parts = {
        destinations: context.lookup(byGateway, at.key).map(({ name }) => name),
        servers: context.lookup(serversByGateway, at.key).map(({ name }) => name),
        access: access.ofGateway(context, at),
        telemetry: telemetry.ofGateway(context, at),
        providers: providersOf(context, view, settings),
        rateLimits: limits.of(context, 'Gateway', at.gateway.metadata.namespace, at.gateway.metadata.name),
        rateLimitServices: context.lookup(usesByGateway, at.key).map(({ message }) => message),
      };
      return [planProxy(at, parts, settings)];
    },
    isEqual: haveSameBytes,
  });
  const judge = new RouteJudge({ objects, services, gateways, view, listeners, conversions, settings });
  const extensions = extensionStatuses(graph, sources, gateways, view, settings);
  const fields = fieldStatuses(graph, sources, gateways, settings);
  const statuses = join<StatusWrite>(graph, 'l7-status-writes', [
    l7Statuses(graph, { sources, gateways, plans, destinations, view, judge, settings }),
    extensions.writes,
    fields.writes,
  ]);
  const findings = join<SourceReport>(graph, 'l7-findings', [extensions.findings, fields.findings]);
  return { gateways, proxies, destinations, servers, statuses, findings, keyPlaces: keyPlaces(graph, objects), keys };
}

function useKey({ gateway, service }: BackendUse): string {
  return destinationName(gateway, service);
}

/** One for each service and each waypoint that it is bound to: its own, and the one that takes a share. */
function servedDestinations(
  graph: Graph,
  services: Collection<MeshService>,
  gateways: Collection<L7Gateway>,
  planner: DestinationPlanner,
): Collection<PlannedDestination> {
  return derive<MeshService, PlannedDestination>(graph, {
    name: 'served-destinations',
    from: services,
    keyOf: ({ name }) => name,
    transform: (service, context) => {
      const { waypoint, canary } = service.candidate;
      return [waypoint, canary].flatMap((bound) => {
        const at = bound === undefined ? undefined : context.get(gateways, bound.key);
        return at === undefined ? [] : [planner.plan(service, at, true, context)];
      });
    },
    isEqual: haveSameBytes,
  });
}

/** Providers whose service is known; one that is not lets nobody through who would have to be asked about. */
function providersOf(
  context: FetchContext,
  view: MeshView,
  settings: MeshSettings,
): readonly access.AuthorizationProvider[] {
  return settings.authorizationProviders.flatMap((provider) => {
    const found = view.configuredService(context, provider.service);
    return found === undefined ? [] : [authorizationProvider(provider, found.candidate)];
  });
}

function keyPlaces(graph: Graph, objects: MeshObjects): Collection<KeyPlace> {
  return derive<RequestAuthentication, KeyPlace>(graph, {
    name: 'key-places',
    from: objects.RequestAuthentication,
    keyOf: ({ key }) => key,
    transform: ({ spec }) => spec.jwtRules.flatMap((rule) => keySourceOf(rule) ?? []),
  });
}
