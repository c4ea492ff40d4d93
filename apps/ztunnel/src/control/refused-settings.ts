/**
 * Settings of Istio's ztunnel that change what is enforced and that Ambit does not have yet. A start with one of them ends
 * with a clear message: taking it silently would protect less than the operator asked for.
 */
import { type ConfigEntry, parsed } from '@ambit/runtime';

function refused(env: string, harmless: readonly string[], what: string): ConfigEntry<undefined> {
  const parse = (value: string): undefined => {
    if (!harmless.includes(value)) throw new Error(`${what} is not supported yet; unset it`);
    return undefined;
  };
  return parsed(env, parse, undefined, `not supported yet: ${what}`);
}

export const refusedSettings: Readonly<Record<string, ConfigEntry<undefined>>> = {
  compliancePolicy: refused('COMPLIANCE_POLICY', [''], 'a compliance policy for key exchange'),
  tls12: refused('TLS12_ENABLED', ['', 'false', '0'], 'TLS 1.2'),
  fakeCa: refused('FAKE_CA', ['', 'false', '0'], 'self-signed test certificates'),
};
