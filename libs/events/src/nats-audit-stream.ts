import type { NatsConnection } from '@nats-io/transport-node';
import { jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { patternOf } from './event-catalogue.ts';

/** Keeps the audit events for 30 days, at most 1 GiB. Rejects when the server has no JetStream. */
export async function ensureAuditStream(connection: NatsConnection): Promise<void> {
  const manager = await jetstreamManager(connection);
  const config = {
    name: 'AMBIT_AUDIT',
    subjects: [patternOf('cert.issued'), patternOf('root.rotated')],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    max_age: 30 * 24 * 3_600 * 1e9,
    max_bytes: 1024 ** 3,
  };
  try {
    await manager.streams.add(config);
  } catch {
    // It exists with other limits, which an older or newer Ambit set.
    await manager.streams.update(config.name, config);
  }
}
