/**
 * Rules as text for `iptables-restore`. Pure.
 *
 * A whole family is one text, and `iptables-restore` replaces each table in one step, so that no packet ever meets half
 * of a table. Declaring a chain that exists empties it; jumps are added and removed by the difference to what is there.
 */
import type { CapturedState, ChainState } from './iptables-save.ts';
import { EMPTY_STATE } from './iptables-save.ts';
import { markText, type ProbeAddresses } from './capture-constants.ts';
import type { Negatable, Rule, RuleAddress, RuleHook, RuleTable, TableRules } from './rule-model.ts';
import { assertNever } from '@ambit/runtime';

export type Family = 'v4' | 'v6';

/** Ours in the tables mangle, nat and raw. Istio: the same names. */
export const CHAINS: Readonly<Record<RuleHook, { readonly builtin: string; readonly own: string }>> = {
  prerouting: { builtin: 'PREROUTING', own: 'ISTIO_PRERT' },
  output: { builtin: 'OUTPUT', own: 'ISTIO_OUTPUT' },
};

const ALL_TABLES: readonly RuleTable[] = ['mangle', 'nat', 'raw'];
const ALL_HOOKS: readonly RuleHook[] = ['prerouting', 'output'];

/** Text that turns `actual` into exactly the desired rules; without `actual` the family is taken to be untouched. */
export function renderApply(
  tables: readonly TableRules[],
  family: Family,
  probes: ProbeAddresses,
  actual: CapturedState = EMPTY_STATE,
): string {
  const lines: string[] = [];
  for (const { table, hooks, rules } of tables) {
    lines.push(`*${table}`);
    for (const hook of hooks) lines.push(`:${CHAINS[hook].own} - [0:0]`);
    for (const hook of hooks) {
      const { builtin, own } = CHAINS[hook];
      const jumps = jumpCount(actual.tables[table], hook);
      for (let surplus = 1; surplus < jumps; surplus += 1) lines.push(`-D ${builtin} -j ${own}`);
      if (jumps === 0) lines.push(`-A ${builtin} -j ${own}`);
    }
    for (const rule of rules) lines.push(ruleText(rule, family, probes));
    lines.push('COMMIT');
  }
  // Tables that are no longer wanted, for instance raw after DNS capture was switched off.
  const wanted = new Set(tables.map(({ table }) => table));
  lines.push(
    ...removalLines(
      ALL_TABLES.filter((table) => !wanted.has(table)),
      actual,
    ),
  );
  return `${lines.join('\n')}\n`;
}

/** Text that takes away whatever of ours is there; empty when nothing is. */
export function renderRemoval(actual: CapturedState): string {
  const lines = removalLines(ALL_TABLES, actual);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function removalLines(tables: readonly RuleTable[], actual: CapturedState): string[] {
  const lines: string[] = [];
  for (const table of tables) {
    const state = actual.tables[table];
    const steps: string[] = [];
    for (const hook of ALL_HOOKS) {
      const { builtin, own } = CHAINS[hook];
      for (let jump = 0; jump < jumpCount(state, hook); jump += 1) steps.push(`-D ${builtin} -j ${own}`);
    }
    for (const hook of ALL_HOOKS)
      if (state?.own[hook] !== undefined) steps.push(`-F ${CHAINS[hook].own}`, `-X ${CHAINS[hook].own}`);
    if (steps.length > 0) lines.push(`*${table}`, ...steps, 'COMMIT');
  }
  return lines;
}

function jumpCount(state: ChainState | undefined, hook: RuleHook): number {
  return state?.jumps[hook] ?? 0;
}

/** One rule as an `-A` line. */
export function ruleText(rule: Rule, family: Family, probes: ProbeAddresses): string {
  const { match } = rule;
  const words: string[] = ['-A', CHAINS[rule.hook].own];
  const push = (value: Negatable<unknown>, ...option: readonly string[]): void => {
    if (value.negate) words.push('!');
    words.push(...option);
  };
  if (match.source !== undefined) words.push('-s', addressText(match.source, family, probes));
  if (match.destination) push(match.destination, '-d', addressText(match.destination.value, family, probes));
  if (match.inInterface !== undefined) words.push('-i', match.inInterface);
  if (match.outInterface) push(match.outInterface, '-o', match.outInterface.value);
  if (match.protocol !== undefined) words.push('-p', match.protocol);
  if (match.sourcePort !== undefined) words.push('--sport', String(match.sourcePort));
  if (match.destinationPort) push(match.destinationPort, '--dport', String(match.destinationPort.value));
  if (match.packetMark) {
    words.push('-m', 'mark');
    push(match.packetMark, '--mark', markText(match.packetMark.value));
  }
  if (match.connectionMark !== undefined) words.push('-m', 'connmark', '--mark', markText(match.connectionMark));
  words.push('-j', ...targetWords(rule));
  return words.join(' ');
}

function targetWords(rule: Rule): readonly string[] {
  const { target } = rule;
  switch (target.kind) {
    case 'redirect':
      return ['REDIRECT', '--to-ports', String(target.port)];
    case 'accept':
      return ['ACCEPT'];
    case 'return':
      return ['RETURN'];
    case 'set-connection-mark':
      return ['CONNMARK', '--set-xmark', markText(target.mark)];
    case 'restore-packet-mark':
      return ['CONNMARK', '--restore-mark', '--nfmask', '0xffffffff', '--ctmask', '0xffffffff'];
    case 'conntrack-zone':
      return ['CT', '--zone', String(target.zone)];
    default:
      return assertNever(target);
  }
}

function addressText(address: RuleAddress, family: Family, probes: ProbeAddresses): string {
  if (address === 'probe') return family === 'v4' ? `${probes.v4}/32` : `${probes.v6}/128`;
  return family === 'v4' ? '127.0.0.1/32' : '::1/128';
}
