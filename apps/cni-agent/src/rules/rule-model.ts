/**
 * The rules a captured pod needs, as data: no text of any tool, no system call.
 *
 * Order inside a chain is the order of evaluation. One list serves both address families; `loopback` and `probe` stand
 * for the address of whichever family is rendered. Spec: data-plane contract 2.2 and 2.4.
 */
import { CONNECTION_MARK, DNS_ZONE, ZTUNNEL_MARK, ZTUNNEL_PORTS } from './capture-constants.ts';

export type RuleTable = 'mangle' | 'nat' | 'raw';
/** The two hooks that rules hang on: packets entering the pod, packets made in the pod. */
export type RuleHook = 'prerouting' | 'output';
export type RuleAddress = 'loopback' | 'probe';

export interface Negatable<T> {
  readonly value: T;
  readonly negate: boolean;
}

/** All parts that are present must hold. */
export interface RuleMatch {
  readonly inInterface?: string;
  readonly outInterface?: Negatable<string>;
  readonly source?: RuleAddress;
  readonly destination?: Negatable<RuleAddress>;
  readonly protocol?: 'tcp' | 'udp';
  readonly sourcePort?: number;
  readonly destinationPort?: Negatable<number>;
  readonly packetMark?: Negatable<number>;
  readonly connectionMark?: number;
}

export type RuleTarget =
  | { readonly kind: 'redirect'; readonly port: number }
  | { readonly kind: 'accept' }
  | { readonly kind: 'return' }
  | { readonly kind: 'set-connection-mark'; readonly mark: number }
  | { readonly kind: 'restore-packet-mark' }
  | { readonly kind: 'conntrack-zone'; readonly zone: number };

export interface Rule {
  readonly table: RuleTable;
  readonly hook: RuleHook;
  readonly match: RuleMatch;
  readonly target: RuleTarget;
}

/** A table with its hooks in the order their jumps are added; a table may be present without rules. */
export interface TableRules {
  readonly table: RuleTable;
  readonly hooks: readonly RuleHook[];
  readonly rules: readonly Rule[];
}

/**
 * How much of a pod's traffic is taken.
 * - `carry`: only what keeps connections working that ztunnel already carries; nothing new is captured.
 * - `capture`: everything.
 */
export type CapturePhase = 'carry' | 'capture';

/** What a pod's annotations ask for. */
export interface CaptureOptions {
  /** `ambient.istio.io/bypass-inbound-capture`: only outbound traffic is captured. */
  readonly ingressMode: boolean;
  readonly dnsCapture: boolean;
  /** `istio.io/reroute-virtual-interfaces`: interfaces of machines nested in the pod. */
  readonly virtualInterfaces: readonly string[];
}

const not = <T>(value: T): Negatable<T> => ({ value, negate: true });
const is = <T>(value: T): Negatable<T> => ({ value, negate: false });
const notFromZtunnel = not(ZTUNNEL_MARK);
const redirect = (port: number): RuleTarget => ({ kind: 'redirect', port });
const accept: RuleTarget = { kind: 'accept' };

/** The desired rules of one pod, in the order in which the tables are programmed. */
export function podRules(options: CaptureOptions, phase: CapturePhase): readonly TableRules[] {
  const capturing = phase === 'capture';
  const tables: TableRules[] = [
    { table: 'mangle', hooks: ['prerouting', 'output'], rules: returnPathRules() },
    { table: 'nat', hooks: ['output', 'prerouting'], rules: capturing ? captureRules(options) : [] },
  ];
  if (options.dnsCapture) tables.push({ table: 'raw', hooks: ['prerouting', 'output'], rules: dnsZoneRules() });
  return tables;
}

/** Connections that ztunnel opened towards the application are marked, and the answers get the mark back. */
function returnPathRules(): readonly Rule[] {
  const table = 'mangle';
  return [
    {
      table,
      hook: 'prerouting',
      match: { packetMark: is(ZTUNNEL_MARK) },
      target: { kind: 'set-connection-mark', mark: CONNECTION_MARK },
    },
    { table, hook: 'output', match: { connectionMark: CONNECTION_MARK }, target: { kind: 'restore-packet-mark' } },
  ];
}

function captureRules(options: CaptureOptions): readonly Rule[] {
  const table = 'nat';
  const rules: Rule[] = [];
  for (const name of options.virtualInterfaces) {
    rules.push({
      table,
      hook: 'prerouting',
      match: { inInterface: name, protocol: 'tcp' },
      target: redirect(ZTUNNEL_PORTS.outbound),
    });
    rules.push({
      table,
      hook: 'prerouting',
      match: { inInterface: name, protocol: 'tcp' },
      target: { kind: 'return' },
    });
  }
  if (!options.ingressMode)
    rules.push({ table, hook: 'prerouting', match: { source: 'probe', protocol: 'tcp' }, target: accept });
  rules.push({ table, hook: 'output', match: { destination: is('probe'), protocol: 'tcp' }, target: accept });
  if (!options.ingressMode) {
    const match: RuleMatch = {
      destination: not('loopback'),
      protocol: 'tcp',
      destinationPort: not(ZTUNNEL_PORTS.inboundHbone),
      packetMark: notFromZtunnel,
    };
    rules.push({ table, hook: 'prerouting', match, target: redirect(ZTUNNEL_PORTS.inboundPlaintext) });
  }
  if (options.dnsCapture) {
    rules.push({
      table,
      hook: 'output',
      match: { outInterface: not('lo'), protocol: 'udp', destinationPort: is(53), packetMark: notFromZtunnel },
      target: redirect(ZTUNNEL_PORTS.dns),
    });
    rules.push({
      table,
      hook: 'output',
      match: { destination: not('loopback'), protocol: 'tcp', destinationPort: is(53), packetMark: notFromZtunnel },
      target: redirect(ZTUNNEL_PORTS.dns),
    });
  }
  rules.push({ table, hook: 'output', match: { protocol: 'tcp', packetMark: is(CONNECTION_MARK) }, target: accept });
  rules.push({
    table,
    hook: 'output',
    match: { destination: not('loopback'), outInterface: is('lo') },
    target: accept,
  });
  rules.push({
    table,
    hook: 'output',
    match: { destination: not('loopback'), protocol: 'tcp', packetMark: notFromZtunnel },
    target: redirect(ZTUNNEL_PORTS.outbound),
  });
  return rules;
}

/** The application's redirected query and ztunnel's own may share all five fields; a zone keeps them apart. */
function dnsZoneRules(): readonly Rule[] {
  const table = 'raw';
  const target: RuleTarget = { kind: 'conntrack-zone', zone: DNS_ZONE };
  return [
    {
      table,
      hook: 'output',
      match: { protocol: 'udp', destinationPort: is(53), packetMark: is(ZTUNNEL_MARK) },
      target,
    },
    { table, hook: 'prerouting', match: { protocol: 'udp', sourcePort: 53, packetMark: notFromZtunnel }, target },
  ];
}
