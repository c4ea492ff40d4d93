import { test } from 'node:test';
import { describeConfig } from '@ambit/runtime';
import { assertSettingsPage } from '@ambit/testing';
import { caConfig } from './config.ts';

test('the page of settings is what the table says (AMBIT_REWRITE_GOLDEN=1 rewrites)', () => {
  assertSettingsPage('ca', 'the CA', describeConfig(caConfig));
});
