import type { EventBus, EventPayload } from '@ambit/events';
import type { MetricRegistry } from '@ambit/telemetry';
import type { MaterialChange } from '../issue/certificate-authority.ts';

/** The part of the bus the CA uses. */
export type AuditBus = Pick<EventBus, 'publish' | 'status'>;

/** One line of the trail. */
export interface AuditEntry {
  readonly wallTimeMs: number;
  readonly event: 'cert.issued' | 'root.rotated';
  readonly payload: EventPayload<'cert.issued'> | EventPayload<'root.rotated'>;
}

/** Entries kept for `/audit`; the bus carries the whole trail. */
const TAIL_LENGTH = 1000;

/** Publishes what the CA did and remembers the last entries. The bus is a hint: publishing never fails or waits. */
export class AuditTrail {
  readonly #bus: AuditBus;
  readonly #wallTimeMs: () => number;
  readonly #tail: AuditEntry[] = [];
  #next = 0;

  constructor(bus: AuditBus, wallTimeMs: () => number) {
    this.#bus = bus;
    this.#wallTimeMs = wallTimeMs;
  }

  /** The last entries, oldest first. */
  tail(): readonly AuditEntry[] {
    return [...this.#tail.slice(this.#next), ...this.#tail.slice(0, this.#next)];
  }

  /** Makes it visible when the bus loses events; the mesh goes on without it. */
  observe(registry: MetricRegistry): void {
    const bus = this.#bus;
    const read = (value: () => number) => () => [{ labelValues: [], value: value() }];
    registry.computed(
      'counter',
      { name: 'ambit_ca_audit_events', help: 'Events given to the bus' },
      read(() => bus.status.published),
    );
    registry.computed(
      'counter',
      { name: 'ambit_ca_audit_events_dropped', help: 'Events the bus gave up because it was away for too long' },
      read(() => bus.status.dropped + bus.status.failed),
    );
    registry.computed(
      'gauge',
      { name: 'ambit_ca_audit_events_queued', help: 'Events that wait for the bus' },
      read(() => bus.status.queued),
    );
    registry.computed(
      'gauge',
      { name: 'ambit_ca_bus_connected', help: '1 while the bus takes events' },
      read(() => (bus.status.state === 'connected' ? 1 : 0)),
    );
  }

  issued(payload: EventPayload<'cert.issued'>): void {
    this.#keep({ wallTimeMs: this.#wallTimeMs(), event: 'cert.issued', payload });
    this.#bus.publish('cert.issued', payload);
  }

  /** Publishes one event for each root that was added, started signing, or was removed. */
  materialReplaced(change: MaterialChange, trustDomain: string): void {
    for (const root of change.addedRoots) this.#rotated('added', root, trustDomain);
    if (change.isNewSigner) this.#rotated('signing', change.material.signingRoot, trustDomain);
    for (const root of change.removedRoots) this.#rotated('removed', root, trustDomain);
  }

  #rotated(phase: 'added' | 'signing' | 'removed', fingerprint: string, trustDomain: string): void {
    const payload = { phase, rootSha256: fingerprint.replaceAll(':', '').toLowerCase(), trustDomain };
    this.#keep({ wallTimeMs: this.#wallTimeMs(), event: 'root.rotated', payload });
    this.#bus.publish('root.rotated', payload);
  }

  #keep(entry: AuditEntry): void {
    this.#tail[this.#next] = entry;
    this.#next = (this.#next + 1) % TAIL_LENGTH;
  }
}
