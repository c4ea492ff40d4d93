import { test } from 'node:test';
import { describeConfig } from '@ambit/runtime';
import { assertSettingsPage } from '@ambit/testing';
import { waypointConfig } from './waypoint-config.ts';

test('the page of settings is what the table says (AMBIT_REWRITE_GOLDEN=1 rewrites)', () => {
  assertSettingsPage('waypoint', 'waypoints and gateways', describeConfig(waypointConfig));
});
