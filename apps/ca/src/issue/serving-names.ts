/** DNS names and addresses that mesh services may serve under, by service account. */
import { isIP } from 'node:net';

/** Names besides the SPIFFE id. */
export interface ServingNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

/** Splits names into DNS names and IP addresses. Throws if one is neither. */
export function splitServingNames(names: readonly string[]): ServingNames {
  for (const name of names) {
    if (isIP(name) === 0 && !/^(?=.{1,253}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(name)) {
      throw new Error(`not a DNS name or IP address: ${name}`);
    }
  }
  return { dnsNames: names.filter((name) => isIP(name) === 0), ipAddresses: names.filter((name) => isIP(name) !== 0) };
}

/**
 * Parses entries `<namespace>/<service account>=<name>+<name>`: when that account asks for its own certificate it gets
 * these names too. This is how the control plane obtains the certificate of its xDS port.
 * Throws for an entry of another form.
 */
export function parseServingNames(entries: readonly string[]): ReadonlyMap<string, ServingNames> {
  const byAccount = new Map<string, ServingNames>();
  for (const entry of entries) {
    const match = /^([^/=]+\/[^/=]+)=(.+)$/.exec(entry);
    const [, account, names] = match ?? [];
    if (account === undefined || names === undefined) throw new Error(`expected namespace/account=name+name: ${entry}`);
    byAccount.set(account, splitServingNames(names.split('+')));
  }
  return byAccount;
}
