/** Probe exemption by ipset and iptables in the node's own namespace. */
import type { ProbeAddresses } from '../rules/capture-constants.ts';
import type { Family } from '../rules/iptables-text.ts';
import type { IptablesVariant } from '../rules/iptables-variant.ts';
import type { NamespacePlace, NamespaceShell } from '../rules/namespace-shell.ts';
import { PROBE_SETS, type ProbeExemption } from './probe-exemption.ts';

export interface IptablesProbeExemptionOptions {
  readonly shell: NamespaceShell;
  readonly variant: IptablesVariant;
  readonly families: readonly Family[];
  readonly probes: ProbeAddresses;
}

const HERE: NamespacePlace = { kind: 'own' };
const CHAIN = 'ISTIO_POSTRT';
const JUMP = `POSTROUTING -j ${CHAIN}`;

export class IptablesProbeExemption implements ProbeExemption {
  readonly #options: IptablesProbeExemptionOptions;

  #entriesSeen: Map<string, string> | undefined;

  constructor(options: IptablesProbeExemptionOptions) {
    this.#options = options;
  }

  async install(): Promise<void> {
    for (const family of this.#options.families) {
      await this.#ipset(
        `create ${PROBE_SETS[family]} hash:ip family ${family === 'v4' ? 'inet' : 'inet6'} comment -exist\n`,
      );
      if (await this.#isInstalled(family)) continue;
      const jumps = (await this.#save(family)).filter((line) => line === `-A ${JUMP}`).map(() => `-D ${JUMP}`);
      const source = this.#options.probes[family];
      const rule = `-A ${CHAIN} -p tcp -m owner --socket-exists -m set --match-set ${PROBE_SETS[family]} dst -j SNAT --to-source ${source}`;
      await this.#restore(family, [
        '*nat',
        `:${CHAIN} - [0:0]`,
        ...jumps,
        `-I POSTROUTING 1 -j ${CHAIN}`,
        rule,
        'COMMIT',
        '',
      ]);
    }
  }

  async add(uid: string, addresses: readonly string[]): Promise<void> {
    const entries = await this.#known();
    // Adding with -exist replaces the comment too: the address belongs to the newest pod.
    const missing = addresses.filter((address) => entries.get(address) !== uid && this.#isUsed(address));
    await this.#ipset(missing.map((address) => `add ${setOf(address)} ${address} comment "${uid}" -exist\n`).join(''));
    for (const address of missing) this.#entriesSeen?.set(address, uid);
  }

  async remove(uid: string, addresses: readonly string[]): Promise<void> {
    const entries = await this.#known();
    const own = addresses.filter((address) => entries.get(address) === uid);
    await this.#ipset(own.map((address) => `del ${setOf(address)} ${address} -exist\n`).join(''));
    for (const address of own) this.#entriesSeen?.delete(address);
  }

  async prune(keep: ReadonlySet<string>): Promise<void> {
    const stale = [...(await this.#known(true))].filter(([, uid]) => !keep.has(uid));
    await this.#ipset(stale.map(([address]) => `del ${setOf(address)} ${address} -exist\n`).join(''));
    for (const [address] of stale) this.#entriesSeen?.delete(address);
  }

  async isInstalled(): Promise<boolean> {
    await this.#known(true);
    for (const family of this.#options.families) if (!(await this.#isInstalled(family))) return false;
    return true;
  }

  async uninstall(): Promise<void> {
    for (const family of this.#options.families) {
      const lines = await this.#save(family);
      const steps = lines.filter((line) => line === `-A ${JUMP}`).map(() => `-D ${JUMP}`);
      if (lines.some((line) => line.startsWith(`:${CHAIN} `))) steps.push(`-F ${CHAIN}`, `-X ${CHAIN}`);
      if (steps.length > 0) await this.#restore(family, ['*nat', ...steps, 'COMMIT', '']);
      await this.#options.shell.attempt(HERE, ['ipset', 'destroy', PROBE_SETS[family]]);
    }
  }

  async #isInstalled(family: Family): Promise<boolean> {
    const lines = await this.#save(family);
    const first = lines.find((line) => line.startsWith('-A POSTROUTING '));
    const own = lines.filter((line) => line.startsWith(`-A ${CHAIN} `));
    return (
      first === `-A ${JUMP}` && own.length === 1 && (own[0]?.includes(`--match-set ${PROBE_SETS[family]} dst`) ?? false)
    );
  }

  async #save(family: Family): Promise<readonly string[]> {
    return (await this.#options.shell.run(HERE, [this.#tool(family, 'save'), '-t', 'nat'])).split('\n');
  }

  async #restore(family: Family, lines: readonly string[]): Promise<void> {
    await this.#options.shell.run(HERE, [this.#tool(family, 'restore'), '--noflush', '--wait', '30'], lines.join('\n'));
  }

  async #ipset(commands: string): Promise<void> {
    if (commands !== '') await this.#options.shell.run(HERE, ['ipset', 'restore'], commands);
  }

  /** Address -> uid of the pod it was added for. Nobody else writes the sets, so what was read once is remembered. */
  async #known(isAnew = false): Promise<Map<string, string>> {
    if (isAnew || this.#entriesSeen === undefined) this.#entriesSeen = await this.#entries();
    return this.#entriesSeen;
  }

  async #entries(): Promise<Map<string, string>> {
    const entries = new Map<string, string>();
    for (const family of this.#options.families) {
      const { stdout } = await this.#options.shell.attempt(HERE, ['ipset', 'save', PROBE_SETS[family]]);
      for (const match of stdout.matchAll(/^add \S+ (\S+) comment "([^"]*)"/gm))
        entries.set(match[1] ?? '', match[2] ?? '');
    }
    return entries;
  }

  #isUsed(address: string): boolean {
    return this.#options.families.includes(address.includes(':') ? 'v6' : 'v4');
  }

  #tool(family: Family, action: 'save' | 'restore'): string {
    return `${family === 'v4' ? 'iptables' : 'ip6tables'}-${this.#options.variant}-${action}`;
  }
}

function setOf(address: string): string {
  return address.includes(':') ? PROBE_SETS.v6 : PROBE_SETS.v4;
}
