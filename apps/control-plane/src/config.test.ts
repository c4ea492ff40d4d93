import { test } from 'node:test';
import { describeConfig } from '@ambit/runtime';
import { assertSettingsPage } from '@ambit/testing';
import { controlPlaneConfig } from './config.ts';

test('the page of settings is what the table says (AMBIT_REWRITE_GOLDEN=1 rewrites)', () => {
  assertSettingsPage('control-plane', 'the control plane', describeConfig(controlPlaneConfig));
});
