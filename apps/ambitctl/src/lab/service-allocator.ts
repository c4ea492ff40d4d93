/** Gives services an address that have none, as an API server does. */
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeStatus, type ResourceSource, type Service } from '@ambit/kube';
import { serviceAddress } from './address-plan.ts';

export class ServiceAllocator {
  readonly #statusDir: string;
  readonly #source: ResourceSource;
  /** Slot of each service that was given one, by `namespace/name`. */
  readonly #slots = new Map<string, number>();

  constructor(source: ResourceSource, statusDir: string) {
    this.#source = source;
    this.#statusDir = statusDir;
  }

  /** Idempotent; writes the status of services that need an address, removes that of services that are gone. */
  allocate(): void {
    const services = new Map(this.#source.list('Service').map((service) => [keyOf(service), service]));
    for (const key of this.#slots.keys()) {
      if (services.has(key)) continue;
      this.#slots.delete(key);
      rmSync(this.#file(key), { force: true });
    }
    for (const [key, service] of services) {
      if (service.spec.type === 'ExternalName' || service.spec.clusterIPs.length > 0 || this.#slots.has(key)) continue;
      const slot = this.#freeSlot(key);
      this.#slots.set(key, slot);
      const address = serviceAddress(slot);
      const families = service.spec.ipFamilies.length === 0 ? ['IPv4'] : service.spec.ipFamilies;
      const clusterIPs = families.map((family) => (family === 'IPv6' ? address.v6 : address.v4));
      writeStatus(this.#file(key), {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace: service.metadata.namespace, name: service.metadata.name },
        spec: { clusterIP: clusterIPs[0], clusterIPs },
      });
    }
  }

  #freeSlot(key: string): number {
    const taken = new Set(this.#slots.values());
    let slot = createHash('sha256').update(key).digest().readUInt16BE(0);
    while (taken.has(slot)) slot += 1;
    return slot;
  }

  #file(key: string): string {
    return join(this.#statusDir, `service.${key.replace('/', '.')}.allocator.yaml`);
  }
}

function keyOf(service: Service): string {
  return `${service.metadata.namespace}/${service.metadata.name}`;
}
