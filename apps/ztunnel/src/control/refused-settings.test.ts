import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '@ambit/runtime';
import { refusedSettings } from './refused-settings.ts';

test('a setting that would weaken what was asked for stops the start, its default does not', () => {
  assert.throws(
    () => loadConfig(refusedSettings, { CRL_PATH: '/crl.pem', TLS12_ENABLED: 'true' }),
    /CRL_PATH.*not supported yet[\s\S]*TLS12_ENABLED/,
  );
  loadConfig(refusedSettings, { CRL_PATH: '', COMPLIANCE_POLICY: '', TLS12_ENABLED: 'false' });
});
