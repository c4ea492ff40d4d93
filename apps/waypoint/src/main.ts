/** The process of a waypoint or gateway. */
import { MemoryKeeper } from '@ambit/net';
import { runProcess } from '@ambit/runtime';
import { runWaypoint } from './control/waypoint.ts';
import { waypointConfig } from './control/waypoint-config.ts';

await runProcess(waypointConfig, async ({ config, stopping }) => {
  using _memory = new MemoryKeeper();
  await runWaypoint(config, stopping);
});
