import type { ResourceSource } from '@ambit/kube';
import type { AddressAllocator, AllocatorState } from './allocate/address-allocator.ts';
import type { MeshCollections } from './derive/mesh-collections.ts';
import { applyEvents, loadSources } from './derive/mesh-sources.ts';

export interface MeshFeedOptions {
  readonly mesh: MeshCollections;
  readonly source: ResourceSource;
  /** Undefined: addresses come with the status of each ServiceEntry, written by the leader. */
  readonly allocator: AddressAllocator | undefined;
  /** Called with the allocator's state after it changed, before anything is derived from it. Must not throw. */
  readonly onAllocated: (state: AllocatorState) => void;
}

/**
 * Carries resources from a source into the collections: everything once, then each batch of changes as one update,
 * together with the addresses allocated because of it. Disposing stops it.
 */
export function feedMesh(options: MeshFeedOptions): Disposable {
  const { mesh, source, allocator, onAllocated } = options;
  const allocate = (): void => {
    if (allocator === undefined) return;
    const before = JSON.stringify(allocator.state);
    const allocations = allocator.assign([...mesh.sources.ServiceEntry.values()]);
    // Clients must never hold an address that a restart would give to another service: stored first, sent then.
    if (JSON.stringify(allocator.state) !== before) onAllocated(allocator.state);
    mesh.sources.allocations.replace(allocations);
  };
  mesh.graph.update(() => {
    loadSources(mesh.sources, source);
    allocate();
  });
  return source.subscribe((events) => {
    mesh.graph.update(() => {
      applyEvents(mesh.sources, events);
      const touchesEntries = events.some(
        (event) => (event.kind === 'delete' ? event.previous : event.resource).kind === 'ServiceEntry',
      );
      if (touchesEntries) allocate();
    });
  });
}
