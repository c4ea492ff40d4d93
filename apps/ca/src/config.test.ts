import { join } from 'node:path';
import { test } from 'node:test';
import { describeConfig } from '@ambit/runtime';
import { assertGolden } from '@ambit/testing';
import { caConfig } from './config.ts';

const page = join(import.meta.dirname, '../../../docs/settings/ca.md');

test('the page of settings is what the table says (AMBIT_REWRITE_GOLDEN=1 rewrites)', () => {
  assertGolden(
    page,
    `# Settings of the CA

How they are written and shown: [settings](README.md).

${describeConfig(caConfig)}`,
  );
});
