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

  #entriesSeen: Map<string, string> | undefined;

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
    const entries = await this.#known();
    const used = addresses.filter(
      (address) => this.#options.families.includes(familyOf(address)) && entries.get(address) !== uid,
    );
    // The comment of an element is fixed: an address that changed hands is taken out first.
    const lines = used.flatMap((address) => [
      ...(entries.has(address) ? [deleteLine(address)] : []),
      `add element ${TABLE} ${PROBE_SETS[familyOf(address)]} { ${address} comment "${uid}" }`,
    ]);
    await this.#load(lines);
    for (const address of used) this.#entriesSeen?.set(address, uid);
  }

  async remove(uid: string, addresses: readonly string[]): Promise<void> {
    const entries = await this.#known();
    const own = addresses.filter((address) => entries.get(address) === uid);
    await this.#load(own.map(deleteLine));
    for (const address of own) this.#entriesSeen?.delete(address);
  }

  async prune(keep: ReadonlySet<string>): Promise<void> {
    const stale = [...(await this.#known(true))].filter(([, uid]) => !keep.has(uid));
    await this.#load(stale.map(([address]) => deleteLine(address)));
    for (const [address] of stale) this.#entriesSeen?.delete(address);
  }

  async isInstalled(): Promise<boolean> {
    await this.#known(true);
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

  /** Address -> uid of the pod it was added for. Nobody else writes the sets, so what was read once is remembered. */
  async #known(isAnew = false): Promise<Map<string, string>> {
    if (isAnew || this.#entriesSeen === undefined) this.#entriesSeen = await this.#entries();
    return this.#entriesSeen;
  }

  async #entries(): Promise<Map<string, string>> {
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
