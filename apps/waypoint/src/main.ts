/** The process of a waypoint or gateway. */
import { runProcess } from '@ambit/runtime';
import { runWaypoint } from './control/waypoint.ts';
import { waypointConfig } from './control/waypoint-config.ts';

await runProcess(waypointConfig, ({ config, stopping }) => runWaypoint(config, stopping));
