/** The node proxy's process. */
import { runProcess } from '@ambit/runtime';
import { runZtunnel } from './control/ztunnel.ts';
import { refusedSettings } from './control/refused-settings.ts';
import { ztunnelConfig } from './control/ztunnel-config.ts';

await runProcess({ ...ztunnelConfig, ...refusedSettings }, ({ config, stopping }) =>
  // oxlint-disable-next-line node/no-process-env -- families of names such as ISTIO_META_* cannot be listed in a table
  runZtunnel({ config, environment: process.env, stopping }),
);
