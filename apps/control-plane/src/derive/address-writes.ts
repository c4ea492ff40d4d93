import type { ServiceEntry } from '@ambit/kube';
import { AddressAllocator } from '../allocate/address-allocator.ts';
import type { StatusWrite } from './status-write.ts';

/**
 * Addresses to be written into the status of ServiceEntries whose hosts have none, so that every replica and every
 * restart reads the same ones. Counted on from the highest in use: the address of a host that is gone is not given to
 * another one right away, as clients may still hold it. Spec: control-plane.md section 3.5, automatic addresses.
 */
export function addressWrites(entries: readonly ServiceEntry[]): readonly StatusWrite[] {
  const highest = entries
    .flatMap((entry) => entry.status.addresses.map(({ value }) => allocatedNumber(value)))
    .reduce((max, number) => Math.max(max, number), 0);
  const allocator = new AddressAllocator({ next: highest + 1, assigned: {} });
  const byName = new Map(entries.map((entry) => [`${entry.metadata.namespace}/${entry.metadata.name}`, entry]));
  return allocator.assign(entries).flatMap(({ name, addresses: added }) => {
    const entry = byName.get(name);
    if (entry === undefined || added.length === 0) return [];
    const kept = entry.status.addresses.filter(({ host }) => entry.spec.hosts.includes(host));
    const { namespace, generation } = entry.metadata;
    return [
      {
        kind: 'ServiceEntry',
        namespace,
        name: entry.metadata.name,
        generation,
        fieldManager: 'ambit-addresses',
        addresses: [...kept, ...added],
      } satisfies StatusWrite,
    ];
  });
}

/** Number of an address of 240.240.0.0/16; 0 for any other. */
function allocatedNumber(address: string): number {
  const [, high, low] = /^240\.240\.(\d{1,3})\.(\d{1,3})$/.exec(address) ?? [];
  return high === undefined || low === undefined ? 0 : Number(high) * 256 + Number(low);
}
