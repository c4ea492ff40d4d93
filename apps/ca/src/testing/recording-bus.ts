import type { EventBusStatus } from '@ambit/events';
import type { AuditBus } from '../serve/audit-trail.ts';

/** An event as published on the bus. */
export interface PublishedEvent {
  readonly event: string;
  readonly payload: unknown;
}

/** A bus that keeps what is published. */
export class RecordingBus implements AuditBus {
  readonly events: PublishedEvent[] = [];

  get status(): EventBusStatus {
    const { length: published } = this.events;
    const idle = { kind: 'in-process', state: 'connected', queued: 0, dropped: 0, lastError: '' } as const;
    return { ...idle, published, received: 0, failed: 0 };
  }

  publish(event: string, payload: unknown): void {
    this.events.push({ event, payload });
  }
}
