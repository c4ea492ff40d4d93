/** Probe exemption by nftables: the sets live in the table, and the kubelet is told by its uid. */
import type { ProbeAddresses } from '../rules/capture-constants.ts';
import type { Family } from '../rules/iptables-text.ts';
import type { NamespacePlace, NamespaceShell } from '../rules/namespace-shell.ts';
import { PROBE_SETS, type ProbeExemption } from './probe-exemption.ts';

export interface NftablesProbeExemptionOptions {
  readonly shell: NamespaceShell;
  readonly families: readonly Family[];
  readonly probes: ProbeAddresses;
  /** Effective uid of the kubelet. */
  readonly kubeletUid: number;
}

const HERE: NamespacePlace = { kind: 'own' };
const TABLE = 'inet istio-ambient-nat';

export class NftablesProbeExemption implements ProbeExemption {
  readonly #options: NftablesProbeExemptionOptions;

  constructor(options: NftablesProbeExemptionOptions) {
    this.#options = options;
  }

  async install(): Promise<void> {
    const lines = [`add table ${TABLE}`];
    for (const family of this.#options.families)
      lines.push(`add set ${TABLE} ${PROBE_SETS[family]} { type ${family === 'v4' ? 'ipv4_addr' : 'ipv6_addr'}; }`);
    lines.push(
      `add chain ${TABLE} postrouting { type nat hook postrouting priority 100; policy accept; }`,
      `flush chain ${TABLE} postrouting`,
    );
    for (const family of this.#options.families) {
      const ip = family === 'v4' ? 'ip' : 'ip6';
      lines.push(
        `add rule ${TABLE} postrouting meta l4proto tcp meta skuid ${this.#options.kubeletUid} ${ip} daddr @${PROBE_SETS[family]} counter snat ${ip} to ${this.#options.probes[family]}`,
      );
    }
    await this.#load(lines);
  }

  async add(uid: string, addresses: readonly string[]): Promise<void> {
    const entries = await this.#entries();
    const used = addresses.filter(
      (address) => this.#options.families.includes(familyOf(address)) && entries.get(address) !== uid,
    );
    // The comment of an element is fixed: an address that changed hands is taken out first.
    const lines = used.flatMap((address) => [
      ...(entries.has(address) ? [deleteLine(address)] : []),
      `add element ${TABLE} ${PROBE_SETS[familyOf(address)]} { ${address} comment "${uid}" }`,
    ]);
    await this.#load(lines);
  }

  async remove(uid: string, addresses: readonly string[]): Promise<void> {
    const entries = await this.#entries();
    await this.#load(addresses.filter((address) => entries.get(address) === uid).map(deleteLine));
  }

  async prune(keep: ReadonlySet<string>): Promise<void> {
    await this.#load(
      [...(await this.#entries())].filter(([, uid]) => !keep.has(uid)).map(([address]) => deleteLine(address)),
    );
  }

  async isInstalled(): Promise<boolean> {
    const listing = await this.#options.shell.attempt(HERE, [
      'nft',
      '-s',
      'list',
      'chain',
      'inet',
      'istio-ambient-nat',
      'postrouting',
    ]);
    return (
      listing.code === 0 && this.#options.families.every((family) => listing.stdout.includes(`@${PROBE_SETS[family]}`))
    );
  }

  uninstall(): Promise<void> {
    return this.#load([`add table ${TABLE}`, `delete table ${TABLE}`]);
  }

  async #load(lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await this.#options.shell.run(HERE, ['nft', '-f', '-'], `${lines.join('\n')}\n`);
  }

  async #entries(): Promise<ReadonlyMap<string, string>> {
    const entries = new Map<string, string>();
    for (const family of this.#options.families) {
      const { stdout } = await this.#options.shell.attempt(HERE, [
        'nft',
        '-nn',
        'list',
        'set',
        'inet',
        'istio-ambient-nat',
        PROBE_SETS[family],
      ]);
      for (const match of stdout.matchAll(/([0-9a-f.:]+) comment "([^"]*)"/g))
        entries.set(match[1] ?? '', match[2] ?? '');
    }
    return entries;
  }
}

function familyOf(address: string): Family {
  return address.includes(':') ? 'v6' : 'v4';
}

function deleteLine(address: string): string {
  return `delete element ${TABLE} ${PROBE_SETS[familyOf(address)]} { ${address} }`;
}
