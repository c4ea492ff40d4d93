import { test } from 'node:test';
import { describeConfig } from '@ambit/runtime';
import { assertSettingsPage } from '@ambit/testing';
import { refusedSettings } from './refused-settings.ts';
import { ztunnelConfig } from './ztunnel-config.ts';

const families =
  'Beside these the families `ISTIO_META_NAME`, `ISTIO_METAJSON_NAME` (node metadata), `XDS_HEADER_NAME` and `CA_HEADER_NAME` (headers of calls) are read.';

test('the page of settings is what the table says (AMBIT_REWRITE_GOLDEN=1 rewrites)', () => {
  const table = describeConfig({ ...ztunnelConfig, ...refusedSettings });
  assertSettingsPage('ztunnel', 'ztunnel', `${families}\n\n${table}`);
});
