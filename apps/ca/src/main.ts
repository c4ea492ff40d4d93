/** The CA's process. */
import { once } from 'node:events';
import { openEventBus } from '@ambit/events';
import { runProcess } from '@ambit/runtime';
import { createLogger, LogLevels } from '@ambit/telemetry';
import { startCa } from './ca.ts';
import { caConfig, replicaName } from './config.ts';
import { TickOutput } from './serve/tick-output.ts';

await runProcess(caConfig, async ({ config, stopping }) => {
  using output = new TickOutput((text) => void process.stdout.write(text));
  const logger = createLogger({
    format: config.logFormat,
    levels: new LogLevels(config.logLevel),
    destination: output,
  });
  await using bus = openEventBus({ address: config.bus, source: `ca/${replicaName(config)}`, keepsAudit: true });
  await using _ca = await startCa(config, { bus, logger });
  if (!stopping.aborted) await once(stopping, 'abort');
});
