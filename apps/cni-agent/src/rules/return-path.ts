/**
 * The parts of a pod's capture that are not firewall rules: the route by which answers to a spoofed client address come
 * back to ztunnel, and the connection-tracking setting that leaves older connections alone.
 */
import { CONNECTION_MARK, markText, RETURN_PATH } from './capture-constants.ts';
import type { Family } from './iptables-text.ts';
import type { NamespacePlace, NamespaceShell } from './namespace-shell.ts';

/**
 * With the kernel's default, a packet of a connection that began before tracking did counts as the start of a new one
 * and would be redirected, which kills the connection. Zero makes such packets pass untouched.
 */
const TCP_LOOSE = '/proc/sys/net/netfilter/nf_conntrack_tcp_loose';
const DEFAULT_TCP_LOOSE = '1';

const SET_LOOSE = `[ ! -e ${TCP_LOOSE} ] || echo "$1" > ${TCP_LOOSE}`;
const READ_SETTINGS = `cat ${TCP_LOOSE} 2>/dev/null || echo none; cat /proc/sys/net/ipv6/conf/lo/disable_ipv6 2>/dev/null || echo 1`;

export interface ReturnPathOptions {
  readonly shell: NamespaceShell;
  readonly families: readonly Family[];
}

export class ReturnPath {
  readonly #shell: NamespaceShell;
  readonly #families: readonly Family[];

  constructor(options: ReturnPathOptions) {
    this.#shell = options.shell;
    this.#families = options.families;
  }

  /** Idempotent. Has to be called before the first rule, so that no older connection is taken for a new one. */
  async install(place: NamespacePlace): Promise<void> {
    await this.#shell.run(place, ['sh', '-c', SET_LOOSE, 'sh', '0']);
    for (const family of await this.#usableFamilies(place)) {
      if (!(await this.#hasRule(place, family))) await this.#ip(place, family, ['rule', 'add', ...ruleWords()]);
      await this.#ip(place, family, [
        'route',
        'replace',
        'local',
        'default',
        'dev',
        'lo',
        'table',
        String(RETURN_PATH.table),
      ]);
    }
  }

  async isInstalled(place: NamespacePlace): Promise<boolean> {
    if ((await this.#settings(place)).tcpLoose === DEFAULT_TCP_LOOSE) return false;
    for (const family of await this.#usableFamilies(place)) {
      if (!(await this.#hasRule(place, family))) return false;
      const routes = await this.#shell.attempt(place, [
        'ip',
        familyFlag(family),
        'route',
        'show',
        'table',
        String(RETURN_PATH.table),
      ]);
      if (!routes.stdout.includes('local default dev lo')) return false;
    }
    return true;
  }

  /** Idempotent. */
  async remove(place: NamespacePlace): Promise<void> {
    for (const family of this.#families) {
      while (await this.#hasRule(place, family)) await this.#ip(place, family, ['rule', 'del', ...ruleWords()]);
      // Fails when the table is empty, which is what is wanted.
      await this.#shell.attempt(place, [
        'ip',
        familyFlag(family),
        'route',
        'flush',
        'table',
        String(RETURN_PATH.table),
      ]);
    }
    await this.#shell.run(place, ['sh', '-c', SET_LOOSE, 'sh', DEFAULT_TCP_LOOSE]);
  }

  async #usableFamilies(place: NamespacePlace): Promise<readonly Family[]> {
    const { hasIpv6 } = await this.#settings(place);
    return this.#families.filter((family) => family === 'v4' || hasIpv6);
  }

  async #settings(
    place: NamespacePlace,
  ): Promise<{ readonly tcpLoose: string | undefined; readonly hasIpv6: boolean }> {
    const [tcpLoose, disableIpv6] = (await this.#shell.run(place, ['sh', '-c', READ_SETTINGS])).trim().split('\n');
    return { tcpLoose, hasIpv6: disableIpv6 === '0' };
  }

  async #hasRule(place: NamespacePlace, family: Family): Promise<boolean> {
    const rules = await this.#shell.run(place, [
      'ip',
      familyFlag(family),
      'rule',
      'show',
      'priority',
      String(RETURN_PATH.priority),
    ]);
    return rules.includes(`fwmark ${markText(CONNECTION_MARK)} lookup ${RETURN_PATH.table}`);
  }

  async #ip(place: NamespacePlace, family: Family, words: readonly string[]): Promise<void> {
    await this.#shell.run(place, ['ip', familyFlag(family), ...words]);
  }
}

function ruleWords(): readonly string[] {
  return [
    'fwmark',
    markText(CONNECTION_MARK),
    'priority',
    String(RETURN_PATH.priority),
    'lookup',
    String(RETURN_PATH.table),
  ];
}

function familyFlag(family: Family): string {
  return family === 'v4' ? '-4' : '-6';
}
