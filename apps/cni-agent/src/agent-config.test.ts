import { test } from 'node:test';
import { describeConfig } from '@ambit/runtime';
import { assertSettingsPage } from '@ambit/testing';
import { agentConfig } from './agent-config.ts';

test('the page of settings is what the table says (AMBIT_REWRITE_GOLDEN=1 rewrites)', () => {
  assertSettingsPage('cni-agent', 'the node agent', describeConfig(agentConfig));
});
