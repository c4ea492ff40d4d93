import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';

/** A node: its labels give the locality of its pods. */
export interface Node extends ResourceBase<'Node'> {
  /** Addresses of type InternalIP, in written order. */
  readonly internalIPs: readonly string[];
}

export function readNode(reader: ObjectReader, metadata: ObjectMeta, origin: Location): Node {
  reader.ignore('spec');
  const internalIPs = reader.object('status', (status) => {
    status.ignore(
      'allocatable',
      'capacity',
      'conditions',
      'daemonEndpoints',
      'images',
      'nodeInfo',
      'config',
      'features',
    );
    status.ignore('volumesAttached', 'volumesInUse', 'phase', 'runtimeHandlers', 'declaredFeatures');
    const addresses = status.objects('addresses', (address) => ({
      type: address.requiredString('type'),
      address: address.requiredString('address'),
    }));
    return addresses.filter((address) => address.type === 'InternalIP').map((address) => address.address);
  });
  return { kind: 'Node', metadata, origin, internalIPs: internalIPs ?? [] };
}
