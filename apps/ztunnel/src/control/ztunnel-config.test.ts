import { join } from 'node:path';
import { test } from 'node:test';
import { describeConfig } from '@ambit/runtime';
import { assertGolden } from '@ambit/testing';
import { refusedSettings } from './refused-settings.ts';
import { ztunnelConfig } from './ztunnel-config.ts';

const page = join(import.meta.dirname, '../../../../docs/settings/ztunnel.md');

test('the page of settings is what the table says (AMBIT_REWRITE_GOLDEN=1 rewrites)', () => {
  assertGolden(
    page,
    `# Settings of ztunnel

How they are written and shown: [settings](README.md).

Beside these the families \`ISTIO_META_NAME\`, \`ISTIO_METAJSON_NAME\` (node metadata), \`XDS_HEADER_NAME\` and \`CA_HEADER_NAME\` (headers of calls) are read.

${describeConfig({ ...ztunnelConfig, ...refusedSettings })}`,
  );
});
