import type { workload } from '@ambit/api';
import type { Index } from '@ambit/collections';
import { ADDRESS_TYPE, type NameResolver, type ResolvedName, type XdsNode } from '@ambit/xds';
import { ipText } from '../derive/ip-prefix.ts';
import type { MeshCollections } from '../derive/mesh-collections.ts';
import type { MeshService } from '../derive/mesh-service.ts';
import type { MeshWorkload } from '../derive/mesh-workload.ts';

/**
 * What names mean to on-demand clients: a workload's UID, `<network>/<ip>` of a workload, `namespace/hostname` or
 * `<network>/<VIP>` of a service; a service brings its endpoints. An address inside a CIDR is not found.
 * Spec: control-plane.md section 1.8, on-demand mode.
 */
export class MeshNameResolver implements NameResolver {
  readonly #mesh: Pick<MeshCollections, 'workloads' | 'services' | 'policies'>;
  readonly #workloadsByAlias: Index<MeshWorkload>;
  readonly #workloadsByService: Index<MeshWorkload>;
  readonly #workloadsByNode: Index<MeshWorkload>;
  readonly #servicesByAlias: Index<MeshService>;

  constructor(mesh: Pick<MeshCollections, 'workloads' | 'services' | 'policies'>) {
    this.#mesh = mesh;
    this.#workloadsByAlias = mesh.workloads.index('by-alias', ({ message }) => workloadAliases(message));
    this.#workloadsByService = mesh.workloads.index('by-service', ({ message }) => Object.keys(message.services));
    this.#workloadsByNode = mesh.workloads.index('by-node', ({ message }) =>
      message.node === '' ? [] : [message.node],
    );
    this.#servicesByAlias = mesh.services.index('by-alias', ({ message }) => serviceAliases(message));
  }

  resolve(typeUrl: string, name: string): readonly ResolvedName[] {
    if (typeUrl !== ADDRESS_TYPE) return this.#mesh.policies.get(name) === undefined ? [] : [{ name, aliases: [] }];
    const workload = this.#mesh.workloads.get(name);
    if (workload !== undefined) return [resolvedWorkload(workload)];
    const byAddress = this.#workloadsByAlias.lookup(name);
    if (byAddress.length > 0) return byAddress.map(resolvedWorkload);
    const service = this.#mesh.services.get(name);
    const services = service === undefined ? this.#servicesByAlias.lookup(name) : [service];
    return services.flatMap((found) => [
      { name: found.key, aliases: serviceAliases(found.message) },
      ...this.#workloadsByService.lookup(found.key).map(resolvedWorkload),
    ]);
  }

  implied(typeUrl: string, node: XdsNode): readonly ResolvedName[] {
    if (typeUrl !== ADDRESS_TYPE || node.nodeName === '') return [];
    return this.#workloadsByNode.lookup(node.nodeName).map(resolvedWorkload);
  }
}

function resolvedWorkload({ uid, message }: MeshWorkload): ResolvedName {
  return { name: uid, aliases: workloadAliases(message) };
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
