import type { Collection, Index } from '@ambit/collections';
import {
  type AuthorizationPolicy,
  type Gateway,
  type PeerAuthentication,
  type RateLimitPolicy,
  type RequestAuthentication,
  type Service,
  type ServiceEntry,
  type WorkloadEntry,
} from '@ambit/kube';
import { keySourceOf } from '../l7/jwks-source.ts';
import { l7Gateway, selectsGateway } from '../l7/l7-gateway.ts';
import type { MeshSettings, Visibility } from '../mesh-settings.ts';
import { entryConditions, serviceConditions, workloadConditions } from './binding-conditions.ts';
import { workloadEntryLabels } from './entry-workload.ts';
import { keyConditions } from './key-failure.ts';
import { isMeshService, serviceHostname } from './kubernetes-service.ts';
import type { MeshReads } from './mesh-reads.ts';
import type { MeshSources } from './mesh-sources.ts';
import {
  attachmentConditions,
  fieldConditions,
  policyConditions,
  type TargetLookup,
  closed,
  unbound,
} from './policy-conditions.ts';
import { policyProblems, tokenProblems } from './policy-problems.ts';
import { type EmptySelection, selectionConditions, selectionKey, type SelectingPolicy } from './policy-selections.ts';
import { type Refusal, refusalConditions } from './refusal.ts';
import { bindEntry } from './service-entry-services.ts';
import { serviceEntryVisibility } from './service-visibility.ts';
import type { DesiredCondition } from './status-write.ts';
import { bindingAddress, bindService, bindWorkload, instanceOf, type ServiceBinding } from './waypoint-binding.ts';
import type { WaypointDirectory } from './waypoint-directory.ts';

/** Objects whose conditions the control plane writes. */
export type JudgedResource =
  | AuthorizationPolicy
  | PeerAuthentication
  | RateLimitPolicy
  | RequestAuthentication
  | Service
  | ServiceEntry
  | WorkloadEntry;

/** Index value of all gateways. */
const anywhere = '';

/** Says what the conditions of an object should be. Spec: control-plane.md section 4.4. */
export class ConditionJudge {
  readonly #sources: MeshSources;
  readonly #waypoints: WaypointDirectory;
  readonly #emptySelections: Collection<EmptySelection>;
  readonly #settings: MeshSettings;
  readonly #refusals: Index<Refusal>;
  readonly #gateways: Index<Gateway>;

  constructor(
    sources: MeshSources,
    waypoints: WaypointDirectory,
    empty: Collection<EmptySelection>,
    settings: MeshSettings,
  ) {
    this.#sources = sources;
    this.#waypoints = waypoints;
    this.#emptySelections = empty;
    this.#settings = settings;
    this.#refusals = sources.refusals.index('by-service', ({ service }) => [service]);
    this.#gateways = sources.Gateway.index('by-place', ({ metadata }) => [anywhere, metadata.namespace]);
  }

  conditionsOf(resource: JudgedResource, reads: MeshReads): readonly DesiredCondition[] {
    switch (resource.kind) {
      case 'Service':
        if (!isMeshService(resource)) return [];
        return [
          ...serviceConditions(this.#bindService(resource, reads)),
          ...this.#refused(reads, resource, [
            serviceHostname(resource.metadata.name, resource.metadata.namespace, this.#settings),
          ]),
        ];
      case 'ServiceEntry': {
        const visibility = this.#visibilityOf(resource, reads);
        if (visibility === 'NONE') return [];
        return [
          ...entryConditions(resource, this.#bindEntry(resource, reads), visibility, this.#settings),
          ...this.#refused(reads, resource, resource.spec.hosts),
        ];
      }
      case 'WorkloadEntry': {
        const { namespace, annotations } = resource.metadata;
        const object = { namespace, annotations, labels: workloadEntryLabels(resource) };
        const lookup = this.#waypoints.lookup(reads);
        return instanceOf(object, lookup) === undefined ? workloadConditions(bindWorkload(object, lookup)) : [];
      }
      case 'AuthorizationPolicy':
        return [
          ...policyConditions(resource, this.#targets(reads), this.#settings),
          ...fieldConditions(resource.metadata, policyProblems(resource, this.#settings)),
          ...this.#selection(resource, reads),
        ];
      case 'PeerAuthentication':
        return this.#selection(resource, reads);
      case 'RateLimitPolicy':
        return attachmentConditions(resource, this.#limitTargets(reads), this.#settings);
      case 'RequestAuthentication':
        return [
          ...attachmentConditions(resource, this.#targets(reads), this.#settings),
          ...fieldConditions(resource.metadata, tokenProblems(resource, this.#isChecked(resource, reads))),
          ...keyConditions(resource.metadata, this.#keyFailures(resource, reads)),
        ];
    }
  }

  #selection(policy: SelectingPolicy, reads: MeshReads): readonly DesiredCondition[] {
    const isEmpty = reads.get(this.#emptySelections, selectionKey(policy)) !== undefined;
    return selectionConditions(policy, isEmpty, this.#settings);
  }

  #keyFailures({ spec }: RequestAuthentication, reads: MeshReads): Parameters<typeof keyConditions>[1] {
    return spec.jwtRules.flatMap((rule, index) => {
      const failure = reads.get(this.#sources.keyFailures, keySourceOf(rule)?.key ?? '');
      return failure === undefined ? [] : [{ rule: index, failure }];
    });
  }

  /** Whether there is somebody who looks at tokens: targets are judged by themselves, selectors mean gateways of ours. */
  #isChecked({ metadata: { namespace }, spec }: RequestAuthentication, reads: MeshReads): boolean {
    if (spec.targets.length > 0) return true;
    const place = namespace === this.#settings.rootNamespace ? anywhere : namespace;
    return reads.lookup(this.#gateways, place).some((gateway) => {
      const at = l7Gateway(
        gateway,
        reads.get(this.#sources.GatewayClass, gateway.spec.gatewayClassName),
        this.#settings,
      );
      return at?.role === 'gateway' && selectsGateway(spec.selector, at);
    });
  }

  /** What waypoints refused of the services that the object is. */
  #refused(
    reads: MeshReads,
    { metadata: { namespace } }: Service | ServiceEntry,
    hosts: readonly string[],
  ): readonly DesiredCondition[] {
    return refusalConditions(hosts.flatMap((host) => reads.lookup(this.#refusals, `${namespace}/${host}`)));
  }

  #targets(reads: MeshReads): TargetLookup {
    return {
      controllerOf: (name: string) => reads.get(this.#sources.GatewayClass, name)?.spec.controllerName,
      isWaypoint: (gateway: string) => reads.get(this.#waypoints.waypoints, gateway) !== undefined,
      waypointOf: (kind: 'Service' | 'ServiceEntry', key: string) => {
        if (kind === 'Service') {
          const service = reads.get(this.#sources.Service, key);
          return service === undefined ? undefined : keyOf(this.#bindService(service, reads));
        }
        const entry = reads.get(this.#sources.ServiceEntry, key);
        return entry === undefined ? undefined : keyOf(this.#bindEntry(entry, reads));
      },
    };
  }

  /** Limits count at gateways of every role, and on routes. */
  #limitTargets(reads: MeshReads): TargetLookup {
    return {
      ...this.#targets(reads),
      isWaypoint: (gateway: string) => reads.get(this.#sources.Gateway, gateway) !== undefined,
      hasRoute: (kind: 'HTTPRoute' | 'GRPCRoute', key: string) =>
        kind === 'HTTPRoute'
          ? reads.get(this.#sources.HTTPRoute, key) !== undefined
          : reads.get(this.#sources.GRPCRoute, key) !== undefined,
    };
  }

  #bindService(service: Service, reads: MeshReads): ServiceBinding {
    return bindService(service, this.#waypoints.lookup(reads));
  }

  #bindEntry(entry: ServiceEntry, reads: MeshReads): ServiceBinding {
    const isPrivate = this.#visibilityOf(entry, reads) === 'NAMESPACE';
    return bindEntry(entry, this.#waypoints.lookup(reads), isPrivate);
  }

  #visibilityOf(entry: ServiceEntry, reads: MeshReads): Visibility {
    const namespace = reads.get(this.#sources.Namespace, entry.metadata.namespace);
    return serviceEntryVisibility(this.#settings, namespace?.metadata.labels ?? {});
  }
}

function keyOf({ binding }: ServiceBinding): string {
  if (binding.kind === 'bound') return binding.waypoint.key;
  return bindingAddress(binding) === undefined ? unbound : closed;
}
