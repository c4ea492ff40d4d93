import type { AuthorizationPolicy, RequestAuthentication, Service, ServiceEntry, WorkloadEntry } from '@ambit/kube';
import type { MeshSettings, Visibility } from '../mesh-settings.ts';
import { entryConditions, serviceConditions, workloadConditions } from './binding-conditions.ts';
import { workloadEntryLabels } from './entry-workload.ts';
import { isMeshService } from './kubernetes-service.ts';
import type { MeshReads } from './mesh-reads.ts';
import type { MeshSources } from './mesh-sources.ts';
import { attachmentConditions, policyConditions, type TargetLookup, unbound } from './policy-conditions.ts';
import { serviceEntryVisibility } from './service-visibility.ts';
import type { DesiredCondition } from './status-write.ts';
import { bindService, bindWorkload, instanceOf, type ServiceBinding } from './waypoint-binding.ts';
import type { WaypointDirectory } from './waypoint-directory.ts';

/** Objects whose conditions the control plane writes. */
export type JudgedResource = AuthorizationPolicy | RequestAuthentication | Service | ServiceEntry | WorkloadEntry;

/** Says what the conditions of an object should be. Spec: control-plane.md section 4.4. */
export class ConditionJudge {
  readonly #sources: MeshSources;
  readonly #waypoints: WaypointDirectory;
  readonly #settings: MeshSettings;

  constructor(sources: MeshSources, waypoints: WaypointDirectory, settings: MeshSettings) {
    this.#sources = sources;
    this.#waypoints = waypoints;
    this.#settings = settings;
  }

  conditionsOf(resource: JudgedResource, reads: MeshReads): readonly DesiredCondition[] {
    switch (resource.kind) {
      case 'Service':
        return isMeshService(resource) ? serviceConditions(this.#bindService(resource, reads)) : [];
      case 'ServiceEntry': {
        const visibility = this.#visibilityOf(resource, reads);
        if (visibility === 'NONE') return [];
        return entryConditions(resource, this.#bindEntry(resource, reads), visibility, this.#settings);
      }
      case 'WorkloadEntry': {
        const { namespace, annotations } = resource.metadata;
        const object = { namespace, annotations, labels: workloadEntryLabels(resource) };
        const lookup = this.#waypoints.lookup(reads);
        return instanceOf(object, lookup) === undefined ? workloadConditions(bindWorkload(object, lookup)) : [];
      }
      case 'AuthorizationPolicy':
        return policyConditions(resource, this.#targets(reads), this.#settings);
      case 'RequestAuthentication':
        return attachmentConditions(resource, this.#targets(reads), this.#settings);
    }
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

  #bindService(service: Service, reads: MeshReads): ServiceBinding {
    return bindService(service.metadata, this.#waypoints.lookup(reads));
  }

  #bindEntry(entry: ServiceEntry, reads: MeshReads): ServiceBinding {
    const isPrivate = this.#visibilityOf(entry, reads) === 'NAMESPACE';
    return bindService(entry.metadata, this.#waypoints.lookup(reads), isPrivate);
  }

  #visibilityOf(entry: ServiceEntry, reads: MeshReads): Visibility {
    const namespace = reads.get(this.#sources.Namespace, entry.metadata.namespace);
    return serviceEntryVisibility(this.#settings, namespace?.metadata.labels ?? {});
  }
}

function keyOf({ binding }: ServiceBinding): string {
  return binding.kind === 'bound' ? binding.waypoint.key : unbound;
}
