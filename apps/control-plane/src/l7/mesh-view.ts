import type { Index } from '@ambit/collections';
import type { BackendObject, Labels, ReferenceGrant } from '@ambit/kube';
import { workload } from '@ambit/api';
import { serviceHostname } from '../derive/kubernetes-service.ts';
import type { MeshReads } from '../derive/mesh-reads.ts';
import type { MeshService } from '../derive/mesh-service.ts';
import type { MeshObjects } from '../derive/mesh-objects.ts';
import type { Collection } from '@ambit/collections';
import type { MeshSettings } from '../mesh-settings.ts';
import type { ServiceView } from './backend-lookup.ts';
import type { DestinationRules } from './destination-rules.ts';
import type { L7Gateway } from './l7-gateway.ts';
import type { HostView } from './virtual-service-destination.ts';

/** Finds what routes refer to. */
export class MeshView {
  readonly #objects: MeshObjects;
  readonly #services: Collection<MeshService>;
  readonly #byHostname: Index<MeshService>;
  readonly #grants: Index<ReferenceGrant>;
  readonly #settings: MeshSettings;

  constructor(objects: MeshObjects, services: Collection<MeshService>, settings: MeshSettings) {
    this.#objects = objects;
    this.#services = services;
    this.#settings = settings;
    this.#byHostname = services.index('by-hostname', ({ candidate }) => [candidate.hostname]);
    this.#grants = objects.ReferenceGrant.index('by-namespace', (grant) => [grant.metadata.namespace]);
  }

  /** The service a host means to objects of a namespace: the own one, else the one that everybody means. */
  serviceOf(reads: MeshReads, host: string, namespace: string): MeshService | undefined {
    const found = reads.lookup(this.#byHostname, host).filter((service) => isVisible(service, namespace));
    return (
      found.find(({ candidate }) => candidate.namespace === namespace) ??
      found.find(({ message }) => message.canonical) ??
      found[0]
    );
  }

  /** A service as mesh configuration names it: its host, with `namespace/` in front where several namespaces have it. */
  configuredService(reads: MeshReads, text: string): MeshService | undefined {
    const slash = text.indexOf('/');
    return this.serviceOf(reads, text.slice(slash + 1), slash < 0 ? '' : text.slice(0, slash));
  }

  /** Labels of a namespace, with the one that every namespace of a cluster has. */
  namespaceLabels(reads: MeshReads, name: string): Labels {
    const labels = reads.get(this.#objects.Namespace, name)?.metadata.labels ?? {};
    return { 'kubernetes.io/metadata.name': name, ...labels };
  }

  /** As routes of the Gateway API see it. */
  services(reads: MeshReads): ServiceView {
    return {
      hostnameOf: (backend, namespace) => this.#backend(reads, backend, namespace)?.candidate,
      hasPort: (namespace, hostname, port) => {
        const service = reads.get(this.#services, `${namespace}/${hostname}`);
        return (
          service?.candidate.ports.some(({ servicePort, protocol }) => servicePort === port && protocol !== 'udp') ??
          false
        );
      },
      isGranted: (from, backend) =>
        reads
          .lookup(this.#grants, backend.namespace)
          .some(
            ({ spec }) =>
              spec.from.some(
                ({ group, kind, namespace }) =>
                  group === from.group && kind === from.kind && namespace === from.namespace,
              ) &&
              spec.to.some(
                ({ group, kind, name }) =>
                  group === backend.group && kind === backend.kind && (name === undefined || name === backend.name),
              ),
          ),
    };
  }

  /** As VirtualServices see it at a gateway. */
  hosts(reads: MeshReads, at: L7Gateway, rules: DestinationRules): HostView {
    return {
      serviceOf: (host, namespace) => {
        const candidate = this.serviceOf(reads, host, namespace)?.candidate;
        if (candidate === undefined) return undefined;
        const ports = candidate.ports
          .filter(({ protocol }) => protocol !== 'udp')
          .map(({ servicePort }) => servicePort);
        return { namespace: candidate.namespace, hostname: candidate.hostname, ports };
      },
      hasSubset: (namespace, hostname, subset) =>
        rules.rulesFor(reads, at, { namespace, hostname }).subsets.some(({ name }) => name === subset),
    };
  }

  #backend(reads: MeshReads, { group, kind, name }: BackendObject, namespace: string): MeshService | undefined {
    if (group === 'networking.istio.io' && kind === 'Hostname') {
      return this.serviceOf(reads, name.toLowerCase(), namespace);
    }
    return this.targetService(reads, kind, namespace, name);
  }

  /** The service that a Service or ServiceEntry is. */
  targetService(reads: MeshReads, kind: string, namespace: string, name: string): MeshService | undefined {
    if (kind === 'ServiceEntry') {
      const entry = reads.get(this.#objects.ServiceEntry, `${namespace}/${name}`);
      const host = entry?.spec.hosts[0];
      return host === undefined ? undefined : reads.get(this.#services, `${namespace}/${host}`);
    }
    return reads.get(this.#services, `${namespace}/${serviceHostname(name, namespace, this.#settings)}`);
  }
}

function isVisible({ candidate, message }: MeshService, namespace: string): boolean {
  return message.visibility !== workload.Service_Visibility.NAMESPACE || candidate.namespace === namespace;
}
