/**
 * Rules as text for `nft -f`. Pure.
 *
 * Family `inet`, so that one rule set covers both address families; a rule that names an address is written once per
 * family. One text is one transaction. Spec: data-plane contract 2.6.
 */
import { assertNever } from '@ambit/runtime';
import { MARK_MASK, type ProbeAddresses } from './capture-constants.ts';
import type { Family } from './iptables-text.ts';
import type { Rule, RuleAddress, RuleHook, RuleTable, TableRules } from './rule-model.ts';

export const NFT_TABLES: Readonly<Record<RuleTable, string>> = {
  nat: 'istio-ambient-nat',
  mangle: 'istio-ambient-mangle',
  raw: 'istio-ambient-raw',
};

const ALL_TABLES: readonly RuleTable[] = ['mangle', 'nat', 'raw'];
const PRIORITIES: Readonly<Record<RuleTable, number>> = { nat: -100, mangle: -150, raw: -300 };

/** Text that replaces all of ours by the desired rules. */
export function renderNftApply(
  tables: readonly TableRules[],
  families: readonly Family[],
  probes: ProbeAddresses,
): string {
  const lines: string[] = [];
  for (const { table, hooks, rules } of tables) {
    const name = `inet ${NFT_TABLES[table]}`;
    lines.push(`add table ${name}`, `flush table ${name}`);
    for (const hook of hooks) {
      lines.push(
        `add chain ${name} ${hook} { type ${chainType(table, hook)} hook ${hook} priority ${PRIORITIES[table]}; policy accept; }`,
      );
      lines.push(`add chain ${name} istio-${hook}`, `add rule ${name} ${hook} counter jump istio-${hook}`);
    }
    for (const rule of rules)
      for (const text of nftRuleTexts(rule, families, probes))
        lines.push(`add rule ${name} istio-${rule.hook} ${text}`);
  }
  const wanted = new Set(tables.map(({ table }) => table));
  lines.push(...deleteLines(ALL_TABLES.filter((table) => !wanted.has(table))));
  return `${lines.join('\n')}\n`;
}

/** Text that deletes all of ours; works whether the tables exist or not. */
export function renderNftRemoval(): string {
  return `${deleteLines(ALL_TABLES).join('\n')}\n`;
}

function deleteLines(tables: readonly RuleTable[]): string[] {
  // Adding first makes the deletion succeed for a table that is not there.
  return tables.flatMap((table) => [`add table inet ${NFT_TABLES[table]}`, `delete table inet ${NFT_TABLES[table]}`]);
}

/** A changed mark has to re-route the packet, which only chains of type route do. */
function chainType(table: RuleTable, hook: RuleHook): string {
  if (table === 'nat') return 'nat';
  return table === 'mangle' && hook === 'output' ? 'route' : 'filter';
}

/** The rule in nft's words: one text, or one per family when an address is named. */
export function nftRuleTexts(rule: Rule, families: readonly Family[], probes: ProbeAddresses): readonly string[] {
  const namesAddress = rule.match.source !== undefined || rule.match.destination !== undefined;
  return namesAddress ? families.map((family) => nftRuleText(rule, family, probes)) : [nftRuleText(rule, 'v4', probes)];
}

function nftRuleText(rule: Rule, family: Family, probes: ProbeAddresses): string {
  const { match } = rule;
  const words: string[] = [];
  const ip = family === 'v4' ? 'ip' : 'ip6';
  const compare = (negate: boolean): string => (negate ? '!=' : '==');
  if (match.inInterface !== undefined) words.push(`iifname "${match.inInterface}"`);
  if (match.outInterface) words.push(`oifname ${compare(match.outInterface.negate)} "${match.outInterface.value}"`);
  if (match.source !== undefined) words.push(`${ip} saddr ${addressText(match.source, family, probes)}`);
  if (match.destination)
    words.push(
      `${ip} daddr ${compare(match.destination.negate)} ${addressText(match.destination.value, family, probes)}`,
    );
  if (match.protocol !== undefined) words.push(`meta l4proto ${match.protocol}`);
  if (match.sourcePort !== undefined) words.push(`${match.protocol} sport ${match.sourcePort}`);
  if (match.destinationPort)
    words.push(`${match.protocol} dport ${compare(match.destinationPort.negate)} ${match.destinationPort.value}`);
  if (match.packetMark)
    words.push(`meta mark & ${hex(MARK_MASK)} ${compare(match.packetMark.negate)} ${hex(match.packetMark.value)}`);
  if (match.connectionMark !== undefined) words.push(`ct mark & ${hex(MARK_MASK)} == ${hex(match.connectionMark)}`);
  words.push('counter', verdictText(rule));
  return words.join(' ');
}

function verdictText(rule: Rule): string {
  const { target } = rule;
  switch (target.kind) {
    case 'redirect':
      return `redirect to :${target.port}`;
    case 'accept':
      return 'accept';
    case 'return':
      return 'return';
    case 'set-connection-mark':
      return `ct mark set ct mark & ${hex(0xffffffff - MARK_MASK)} | ${hex(target.mark)}`;
    case 'restore-packet-mark':
      return 'meta mark set ct mark';
    case 'conntrack-zone':
      return `ct zone set ${target.zone}`;
    default:
      return assertNever(target);
  }
}

function addressText(address: RuleAddress, family: Family, probes: ProbeAddresses): string {
  if (address === 'probe') return family === 'v4' ? probes.v4 : probes.v6;
  return family === 'v4' ? '127.0.0.1' : '::1';
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
