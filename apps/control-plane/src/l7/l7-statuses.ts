/** Statuses of routes, gateways and policies that are still to be written. */
import { type Collection, derive, type Graph, join } from '@ambit/collections';
import { type BackendTLSPolicy, isOfItsGroup } from '@ambit/kube';
import type { MeshService } from '../derive/mesh-service.ts';
import type { MeshSources } from '../derive/mesh-sources.ts';
import { type StatusWrite, statusWriteKey } from '../derive/status-write.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import { backendTlsAncestors } from './backend-tls-status.ts';
import type { PlannedDestination } from './destination-plan.ts';
import type { PlannedGateway } from './gateway-plan.ts';
import { gatewayWrites } from './gateway-status.ts';
import { listenerSetWrites } from './listener-set-status.ts';
import { isCertificate } from './key-material.ts';
import type { L7Gateway } from './l7-gateway.ts';
import type { MeshView } from './mesh-view.ts';
import type { RouteJudge } from './route-judge.ts';
import { type AnyRoute, parentWrites } from './route-status.ts';

export interface StatusInputs {
  readonly sources: MeshSources;
  readonly gateways: Collection<L7Gateway>;
  readonly plans: Collection<PlannedGateway>;
  readonly destinations: Collection<PlannedDestination>;
  readonly view: MeshView;
  readonly judge: RouteJudge;
  readonly settings: MeshSettings;
}

export function l7Statuses(graph: Graph, inputs: StatusInputs): Collection<StatusWrite> {
  return join<StatusWrite>(graph, 'l7-statuses', [
    routeStatuses(graph, inputs),
    gatewayStatuses(graph, inputs),
    backendTlsStatuses(graph, inputs),
  ]);
}

function gatewayStatuses(graph: Graph, { sources, plans, settings }: StatusInputs): Collection<StatusWrite> {
  return derive<PlannedGateway, StatusWrite>(graph, {
    name: 'gateway-statuses',
    from: plans,
    keyOf: statusWriteKey,
    transform: ({ at, plan }, context) => {
      const gateway = context.get(sources.Gateway, at.key);
      if (gateway === undefined || !settings.ownControllers.includes(at.controllerName)) return [];
      const ofSets = plan.sets.flatMap(({ set: { metadata }, isAllowed }) => {
        const set = context.get(sources.ListenerSet, `${metadata.namespace}/${metadata.name}`);
        return set === undefined ? [] : listenerSetWrites(gateway, { set, isAllowed }, plan.listeners);
      });
      return [...gatewayWrites(gateway, plan), ...ofSets];
    },
  });
}

function routeStatuses(
  graph: Graph,
  { sources, judge, settings: { ownControllers } }: StatusInputs,
): Collection<StatusWrite> {
  const statusesOf = (from: Collection<AnyRoute>): Collection<StatusWrite> =>
    derive<AnyRoute, StatusWrite>(graph, {
      name: `${from.name}-statuses`,
      from,
      keyOf: statusWriteKey,
      transform: (route, context) => parentWrites(route, judge.parentsOf(route, context), ownControllers),
    });
  const kinds: readonly Collection<AnyRoute>[] = [
    sources.HTTPRoute,
    sources.GRPCRoute,
    sources.TLSRoute,
    sources.TCPRoute,
    sources.UDPRoute,
  ];
  return join<StatusWrite>(graph, 'route-statuses', kinds.map(statusesOf));
}

function backendTlsStatuses(
  graph: Graph,
  { sources, gateways, destinations, view, settings }: StatusInputs,
): Collection<StatusWrite> {
  const byService = destinations.index('by-service', ({ message }) => [`${message.namespace}/${message.hostname}`]);
  const byTarget = sources.BackendTLSPolicy.index('by-exact-target', ({ spec, metadata }) =>
    spec.targets
      .filter(isOfItsGroup)
      .map(({ kind, name, sectionName = '' }) => `${kind}/${metadata.namespace}/${name}/${sectionName}`),
  );
  return derive<BackendTLSPolicy, StatusWrite>(graph, {
    name: 'backend-tls-statuses',
    from: sources.BackendTLSPolicy,
    keyOf: statusWriteKey,
    transform: (policy, context) => {
      const [meshController] = settings.ownControllers;
      if (meshController === undefined) return [];
      const { namespace } = policy.metadata;
      const serviceOf = (target: (typeof policy.spec.targets)[number]): MeshService | undefined =>
        isOfItsGroup(target) ? view.targetService(context, target.kind, namespace, target.name) : undefined;
      const ancestors = backendTlsAncestors(
        policy,
        {
          portsOf: (target) => serviceOf(target)?.candidate.ports.map(({ name }) => name),
          rivals: ({ kind, name, sectionName = '' }) =>
            context.lookup(byTarget, `${kind}/${namespace}/${name}/${sectionName}`),
          hasRoots: (name) => isCertificate(context.get(sources.ConfigMap, `${namespace}/${name}`)?.rootsPem ?? ''),
          gatewaysOf: (target) => {
            const service = serviceOf(target);
            const users = service === undefined ? [] : context.lookup(byService, service.key);
            return users.flatMap(({ gateway }) => {
              const at = context.get(gateways, gateway);
              const isOurs = at?.role === 'gateway' && settings.ownControllers.includes(at.controllerName);
              if (at === undefined || !isOurs) return [];
              const { namespace: of, name } = at.gateway.metadata;
              return [{ namespace: of, name, controllerName: at.controllerName }];
            });
          },
        },
        meshController,
      );
      return parentWrites(policy, ancestors, settings.ownControllers);
    },
  });
}
