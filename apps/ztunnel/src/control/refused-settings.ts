/**
 * Settings of Istio's ztunnel that change what is enforced and that Ambit does not have yet. A start with one of them ends
 * with a clear message: taking it silently would protect less than the operator asked for.
 */
import type { ConfigEntry } from '@ambit/runtime';

function refused(env: string, harmless: readonly string[], what: string): ConfigEntry<undefined> {
  return {
    env,
    describe: `not supported yet: ${what}`,
    parse: (value) => {
      if (!harmless.includes(value)) throw new Error(`${what} is not supported yet; unset it`);
      return undefined;
    },
    fallback: undefined,
    required: false,
    secret: false,
  };
}

export const refusedSettings: Readonly<Record<string, ConfigEntry<undefined>>> = {
  compliancePolicy: refused('COMPLIANCE_POLICY', [''], 'a compliance policy for key exchange'),
  tls12: refused('TLS12_ENABLED', ['', 'false', '0'], 'TLS 1.2'),
  fakeCa: refused('FAKE_CA', ['', 'false', '0'], 'self-signed test certificates'),
};
