/**
 * What `iptables-save` prints, reduced to the part that is ours. Pure.
 *
 * Texts of rules are kept as printed: desired rules are brought into the same form by printing them from a scratch
 * namespace with the same binary, so no knowledge of a version's print format is needed.
 */
import type { RuleHook, RuleTable } from './rule-model.ts';

export interface ChainState {
  /** How often the built-in chain jumps to ours. */
  readonly jumps: Readonly<Record<RuleHook, number>>;
  /** Rules of our chains in order; a chain that does not exist is absent. */
  readonly own: { readonly [K in RuleHook]?: readonly string[] };
}

export interface CapturedState {
  readonly tables: { readonly [K in RuleTable]?: ChainState };
}

export const EMPTY_STATE: CapturedState = { tables: {} };

interface MutableChainState {
  readonly jumps: Record<RuleHook, number>;
  readonly own: { [K in RuleHook]?: string[] };
}

const TABLES: ReadonlyMap<string, RuleTable> = new Map([
  ['*mangle', 'mangle'],
  ['*nat', 'nat'],
  ['*raw', 'raw'],
]);
const OWN_CHAINS: ReadonlyMap<string, RuleHook> = new Map([
  ['ISTIO_PRERT', 'prerouting'],
  ['ISTIO_OUTPUT', 'output'],
]);
const JUMPS: ReadonlyMap<string, RuleHook> = new Map([
  ['-A PREROUTING -j ISTIO_PRERT', 'prerouting'],
  ['-A OUTPUT -j ISTIO_OUTPUT', 'output'],
]);

/** Tables without anything of ours are left out, so that equality means "the same of ours". */
export function parseSave(text: string): CapturedState {
  const tables: { [K in RuleTable]?: ChainState } = {};
  let name: RuleTable | undefined;
  let state: MutableChainState = emptyChainState();
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) {
      name = TABLES.get(line.trim());
      state = emptyChainState();
    } else if (line === 'COMMIT') {
      if (name !== undefined && isUsed(state)) tables[name] = state;
      name = undefined;
    } else if (name !== undefined) {
      readLine(line, state);
    }
  }
  return { tables };
}

function readLine(line: string, state: MutableChainState): void {
  if (line.startsWith(':')) {
    const hook = OWN_CHAINS.get(line.slice(1).split(' ')[0] ?? '');
    if (hook !== undefined) state.own[hook] ??= [];
    return;
  }
  if (!line.startsWith('-A ')) return;
  const jump = JUMPS.get(line);
  if (jump !== undefined) state.jumps[jump] += 1;
  const hook = OWN_CHAINS.get(line.split(' ')[1] ?? '');
  if (hook !== undefined) (state.own[hook] ??= []).push(line);
}

/** True when both hold the same jumps and the same rules in the same order. */
export function sameState(a: CapturedState, b: CapturedState): boolean {
  return JSON.stringify(canonical(a)) === JSON.stringify(canonical(b));
}

function canonical(state: CapturedState): unknown {
  const one = (table: ChainState | undefined): unknown =>
    table && [table.jumps.prerouting, table.jumps.output, table.own.prerouting, table.own.output];
  return [one(state.tables.mangle), one(state.tables.nat), one(state.tables.raw)];
}

/** True when nothing of ours is there. */
export function isEmptyState(state: CapturedState): boolean {
  return Object.keys(state.tables).length === 0;
}

function emptyChainState(): MutableChainState {
  return { jumps: { prerouting: 0, output: 0 }, own: {} };
}

function isUsed(state: MutableChainState): boolean {
  return (
    state.jumps.prerouting + state.jumps.output > 0 ||
    state.own.prerouting !== undefined ||
    state.own.output !== undefined
  );
}
