import { type Collection, derive, type FetchContext, type Graph, type Index, join } from '@ambit/collections';
import {
  type EndpointSlice,
  type Labels,
  type Pod,
  resourceName,
  type ServiceEntry,
  type WorkloadEntry,
  type WorkloadEntrySpec,
} from '@ambit/kube';
import type { MeshSettings } from '../mesh-settings.ts';
import { endpointSliceWorkloads, refersToPod, slicePods, sliceServiceName } from './endpoint-slice-workloads.ts';
import {
  type EntrySurroundings,
  inlineEndpoints,
  inlineWorkload,
  workloadEntryLabels,
  workloadEntryWorkload,
} from './entry-workload.ts';
import { serviceHostname } from './kubernetes-service.ts';
import { nodeLocality } from './locality.ts';
import type { MeshService } from './mesh-service.ts';
import type { MeshSources } from './mesh-sources.ts';
import { haveSamePacked, type MeshWorkload, type ServicePorts } from './mesh-workload.ts';
import { type Attachments, hasWorkload, podWorkload } from './pod-workload.ts';
import type { PolicyCollections } from './policy-collections.ts';
import type { ServiceCollections } from './service-collections.ts';
import { closingOf, open } from './past-waypoint.ts';
import {
  bindingAddress,
  type BindingObject,
  bindWorkload,
  boundWaypoint,
  instanceOf,
  isClosedBehind,
} from './waypoint-binding.ts';
import type { WaypointDirectory } from './waypoint-directory.ts';
import { waypointPolicyNames } from './waypoint-policy.ts';
import { entryPortResolver, podPortResolver, portList, type PortResolver } from './service-ports.ts';

interface Inputs {
  readonly sources: MeshSources;
  /** See `meshNetwork`. */
  readonly network: Collection<string>;
  readonly waypoints: WaypointDirectory;
  readonly services: ServiceCollections;
  readonly policies: PolicyCollections;
  readonly settings: MeshSettings;
}

/** Workloads of every origin, by UID. */
export function workloadCollection(graph: Graph, inputs: Inputs): Collection<MeshWorkload> {
  const parts = [podWorkloads(graph, inputs), entryWorkloads(graph, inputs), inlineWorkloads(graph, inputs)];
  return join<MeshWorkload>(graph, 'workloads', [...parts, sliceWorkloads(graph, inputs)], haveSamePacked);
}

function podWorkloads(graph: Graph, inputs: Inputs): Collection<MeshWorkload> {
  const { sources, services, settings } = inputs;
  const slicesByPod = sources.EndpointSlice.index('by-pod', slicePods);
  return derive<Pod, MeshWorkload>(graph, {
    name: 'pod-workloads',
    from: sources.Pod,
    keyOf: (item) => item.uid,
    transform: (pod, context) => {
      if (!hasWorkload(pod)) return [];
      const { namespace, labels, uid } = pod.metadata;
      const named = slicesNaming(context, slicesByPod, resourceName(pod), uid);
      const found = [
        ...services.bySelector.matching(context, namespace, labels),
        ...named.flatMap((slice) => sliceService(context, services, slice, settings) ?? []).filter(hasNoSelector),
      ];
      const resolve = podPortResolver(pod);
      const surroundings = {
        settings,
        network: context.get(inputs.network, '') ?? '',
        locality: nodeLocality(context.get(sources.Node, pod.spec.nodeName)?.metadata.labels),
        services: portsOf(found, resolve),
        ...attachmentsOf(context, inputs, pod.metadata, labels, found, resolve),
      };
      return [podWorkload(pod, surroundings)];
    },
    isEqual: haveSamePacked,
  });
}

function entryWorkloads(graph: Graph, inputs: Inputs): Collection<MeshWorkload> {
  const { sources, services } = inputs;
  return derive<WorkloadEntry, MeshWorkload>(graph, {
    name: 'workload-entry-workloads',
    from: sources.WorkloadEntry,
    keyOf: (item) => item.uid,
    transform: (entry, context) => {
      const labels = workloadEntryLabels(entry);
      const found = services.bySelector.matching(context, entry.metadata.namespace, labels);
      const object = { namespace: entry.metadata.namespace, labels, annotations: {} };
      const attachments = attachmentsOf(context, inputs, object, labels, found, entryPortResolver(entry.spec));
      return [workloadEntryWorkload(entry, surroundingsOf(context, inputs, found, entry.spec, attachments))];
    },
    isEqual: haveSamePacked,
  });
}

function inlineWorkloads(graph: Graph, inputs: Inputs): Collection<MeshWorkload> {
  const { sources, services } = inputs;
  return derive<ServiceEntry, MeshWorkload>(graph, {
    name: 'service-entry-workloads',
    from: sources.ServiceEntry,
    keyOf: (item) => item.uid,
    transform: (entry, context) => {
      const { namespace, labels, name } = entry.metadata;
      return inlineEndpoints(entry).flatMap((endpoint) => {
        const found = endpoint.hosts
          .map((host) => context.get(services.services, `${namespace}/${host}`))
          .filter((service) => service?.candidate.source === 'ServiceEntry' && service.candidate.name === name)
          .filter((service) => service !== undefined);
        // Hosts that another definition won, or that are not visible, have no endpoints.
        if (found.length === 0) return [];
        // The waypoint goes by the endpoint's labels, policies by the entry's; a host that stands for itself has no waypoint.
        const object = endpoint.isImplied ? undefined : { namespace, labels: endpoint.spec.labels, annotations: {} };
        const resolve = entryPortResolver(endpoint.spec);
        const attachments = attachmentsOf(context, inputs, object, labels, found, resolve, namespace);
        return [inlineWorkload(entry, endpoint, surroundingsOf(context, inputs, found, endpoint.spec, attachments))];
      });
    },
    isEqual: haveSamePacked,
  });
}

function sliceWorkloads(graph: Graph, inputs: Inputs): Collection<MeshWorkload> {
  const { sources, services, settings } = inputs;
  return derive<EndpointSlice, MeshWorkload>(graph, {
    name: 'endpoint-slice-workloads',
    from: sources.EndpointSlice,
    keyOf: (item) => item.uid,
    transform: (slice, context) => {
      const service = sliceService(context, services, slice, settings);
      if (service === undefined) return [];
      return endpointSliceWorkloads(slice, service, context.get(inputs.network, '') ?? '', settings);
    },
    isEqual: haveSamePacked,
  });
}

function surroundingsOf(
  context: FetchContext,
  inputs: Inputs,
  services: readonly MeshService[],
  spec: WorkloadEntrySpec,
  attachments: Attachments,
): EntrySurroundings {
  return {
    settings: inputs.settings,
    network: context.get(inputs.network, '') ?? '',
    services: portsOf(services, entryPortResolver(spec)),
    ...attachments,
  };
}

/**
 * Waypoint and policies of a workload. `object` decides about the waypoint, `labels` about the policies.
 * Spec: control-plane.md sections 4.3 and 5.5.
 */
function attachmentsOf(
  context: FetchContext,
  inputs: Inputs,
  object: BindingObject | undefined,
  labels: Labels,
  services: readonly MeshService[],
  resolve: PortResolver,
  namespace: string = object?.namespace ?? '',
): Attachments {
  const { policies, settings } = inputs;
  const lookup = inputs.waypoints.lookup(context);
  const instance = object === undefined ? undefined : instanceOf(object, lookup);
  const isBindable = object !== undefined && instance === undefined;
  const binding = isBindable ? bindWorkload(object, lookup) : undefined;
  const waypoint = binding === undefined ? undefined : boundWaypoint(binding);
  const ofServices = services.flatMap(({ candidate }) => candidate.waypoint ?? []);
  // A waypoint's own pods are called by everybody.
  const closing = isBindable
    ? closingOf(services, resolve, waypoint, waypoint !== undefined && isClosedBehind(object, waypoint, lookup))
    : open;
  return {
    waypoint: binding === undefined ? undefined : bindingAddress(binding),
    applicationTunnel: instance?.inboundTunnel,
    policies: [
      ...policies.namesFor(context, namespace, labels),
      ...waypointPolicyNames(waypoint, ofServices, settings),
      ...closing.policies,
    ],
    openings: closing.openings,
  };
}

function slicesNaming(
  context: FetchContext,
  slicesByPod: Index<EndpointSlice>,
  pod: string,
  uid: string | undefined,
): readonly EndpointSlice[] {
  return context.lookup(slicesByPod, pod).filter((slice) => refersToPod(slice, pod, uid));
}

function sliceService(
  context: FetchContext,
  services: ServiceCollections,
  slice: EndpointSlice,
  settings: MeshSettings,
): MeshService | undefined {
  const name = sliceServiceName(slice);
  if (name === undefined) return undefined;
  const { namespace } = slice.metadata;
  const service = context.get(services.services, `${namespace}/${serviceHostname(name, namespace, settings)}`);
  return service?.candidate.source === 'Service' ? service : undefined;
}

function hasNoSelector(service: MeshService): boolean {
  return Object.keys(service.candidate.selector).length === 0;
}

function portsOf(services: readonly MeshService[], resolve: PortResolver): ServicePorts {
  const byKey = new Map(services.map((service) => [service.key, portList(service.candidate, resolve)]));
  return [...byKey];
}
