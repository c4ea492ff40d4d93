/** The CA's process. */
import { EventBus, type EventTransport, InProcessTransport, NatsTransport, UnixTransport } from '@ambit/events';
import { runProcess } from '@ambit/runtime';
import { createLogger, LogLevels } from '@ambit/telemetry';
import { once } from 'node:events';
import { startCa } from './ca.ts';
import { caConfig } from './config.ts';

await runProcess(caConfig, async ({ config, stopping }) => {
  const logger = createLogger({ format: config.logFormat, levels: new LogLevels(config.logLevel) });
  await using bus = new EventBus({ transport: transportOf(config.bus), source: 'ca' });
  await using _ca = await startCa(config, { bus, logger });
  if (!stopping.aborted) await once(stopping, 'abort');
});

function transportOf(address: string | undefined): EventTransport {
  if (address === undefined) return new InProcessTransport();
  if (address.startsWith('unix:')) return new UnixTransport({ path: address.slice('unix:'.length) });
  return new NatsTransport({ servers: [address], name: 'ca', keepsAudit: true });
}
