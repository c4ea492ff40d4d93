/** The control plane's process. */
import { once } from 'node:events';
import { EventBus, type EventTransport, InProcessTransport, NatsTransport, UnixTransport } from '@ambit/events';
import { MemoryKeeper } from '@ambit/net';
import { runProcess } from '@ambit/runtime';
import { createLogger, LogLevels } from '@ambit/telemetry';
import { controlPlaneConfig } from './config.ts';
import { startControlPlane } from './control-plane.ts';

await runProcess(controlPlaneConfig, async ({ config, stopping }) => {
  const logger = createLogger({ format: config.logFormat, levels: new LogLevels(config.logLevel) });
  await using bus = new EventBus({ transport: transportOf(config.bus), source: `control-plane/${config.replica}` });
  using _memory = new MemoryKeeper();
  try {
    await using _controlPlane = await startControlPlane(config, { bus, logger, stopping });
    if (!stopping.aborted) await once(stopping, 'abort');
  } catch (error) {
    // Told to stop while it waited for its first certificate.
    if (!stopping.aborted) throw error;
  }
});

function transportOf(address: string | undefined): EventTransport {
  if (address === undefined) return new InProcessTransport();
  if (address.startsWith('unix:')) return new UnixTransport({ path: address.slice('unix:'.length) });
  return new NatsTransport({ servers: [address], name: 'control-plane' });
}
