import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '@ambit/runtime';
import { refusedSettings } from './refused-settings.ts';

test('a setting that would weaken what was asked for stops the start, its default does not', () => {
  assert.throws(
    () => loadConfig(refusedSettings, { COMPLIANCE_POLICY: 'fips-140-2', TLS12_ENABLED: 'true' }),
    /COMPLIANCE_POLICY.*not supported yet[\s\S]*TLS12_ENABLED/,
  );
  loadConfig(refusedSettings, { COMPLIANCE_POLICY: '', TLS12_ENABLED: 'false' });
});
