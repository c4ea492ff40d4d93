import type { workload } from '@ambit/api';
import type { Index } from '@ambit/collections';
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  DESTINATION_TYPE,
  PROXY_TYPE,
  type NameResolver,
  type ResolvedName,
  SERVER_TYPE,
  type XdsNode,
} from '@ambit/xds';
import { ipText } from '../derive/ip-prefix.ts';
import type { MeshCollections } from '../derive/mesh-collections.ts';
import type { MeshService } from '../derive/mesh-service.ts';
import { type MeshWorkload, workloadMessage } from '../derive/mesh-workload.ts';

interface NameIndexes {
  readonly workloadsByAlias: Index<MeshWorkload>;
  readonly workloadsByService: Index<MeshWorkload>;
  readonly workloadsByNode: Index<MeshWorkload>;
  readonly servicesByAlias: Index<MeshService>;
}

/**
 * What names mean to on-demand clients: a workload's UID, `<network>/<ip>` of a workload, `namespace/hostname` or
 * `<network>/<VIP>` of a service; a service brings its endpoints. An address inside a CIDR is not found.
 * Spec: control-plane.md section 1.8, on-demand mode.
 */
export class MeshNameResolver implements NameResolver {
  readonly #mesh: Pick<MeshCollections, 'workloads' | 'services' | 'policies' | 'l7'>;
  #made: NameIndexes | undefined;

  constructor(mesh: Pick<MeshCollections, 'workloads' | 'services' | 'policies' | 'l7'>) {
    this.#mesh = mesh;
  }

  /** Made for the first on-demand client: most meshes have none, and the indexes are large. */
  get #indexes(): NameIndexes {
    const { workloads, services } = this.#mesh;
    this.#made ??= {
      workloadsByAlias: workloads.index('by-alias', (item) => workloadAliases(workloadMessage(item))),
      workloadsByService: workloads.index('by-service', (item) => Object.keys(workloadMessage(item).services)),
      workloadsByNode: workloads.index('by-node', (item) => {
        const { node } = workloadMessage(item);
        return node === '' ? [] : [node];
      }),
      servicesByAlias: services.index('by-alias', ({ message }) => serviceAliases(message)),
    };
    return this.#made;
  }

  resolve(typeUrl: string, name: string): readonly ResolvedName[] {
    if (typeUrl !== ADDRESS_TYPE) return this.#exists(typeUrl, name) ? [{ name, aliases: [] }] : [];
    const workload = this.#mesh.workloads.get(name);
    if (workload !== undefined) return [resolvedWorkload(workload)];
    const byAddress = this.#indexes.workloadsByAlias.lookup(name);
    if (byAddress.length > 0) return byAddress.map(resolvedWorkload);
    const service = this.#mesh.services.get(name);
    const services = service === undefined ? this.#indexes.servicesByAlias.lookup(name) : [service];
    return services.flatMap((found) => [
      { name: found.key, aliases: serviceAliases(found.message) },
      ...this.#indexes.workloadsByService.lookup(found.key).map(resolvedWorkload),
    ]);
  }

  #exists(typeUrl: string, name: string): boolean {
    switch (typeUrl) {
      case AUTHORIZATION_TYPE:
        return this.#mesh.policies.get(name) !== undefined;
      case PROXY_TYPE:
        return this.#mesh.l7.proxies.get(name) !== undefined;
      case DESTINATION_TYPE:
        return this.#mesh.l7.destinations.get(name) !== undefined;
      case SERVER_TYPE:
        return this.#mesh.l7.servers.get(name) !== undefined;
      default:
        return false;
    }
  }

  implied(typeUrl: string, node: XdsNode): readonly ResolvedName[] {
    if (typeUrl !== ADDRESS_TYPE || node.nodeName === '') return [];
    return this.#indexes.workloadsByNode.lookup(node.nodeName).map(resolvedWorkload);
  }
}

function resolvedWorkload(item: MeshWorkload): ResolvedName {
  return { name: item.uid, aliases: workloadAliases(workloadMessage(item)) };
}

function workloadAliases(message: workload.Workload): readonly string[] {
  return message.addresses.map((address) => `${message.network}/${ipText(address)}`);
}

function serviceAliases(message: workload.Service): readonly string[] {
  return message.addresses.map(({ network, address, length }) => {
    const name = `${network}/${ipText(address)}`;
    return length === undefined ? name : `${name}/${length}`;
  });
}
