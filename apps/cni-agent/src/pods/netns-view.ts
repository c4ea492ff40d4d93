/** What `ambit-netns` tells of a network namespace. Pure. */
import { ZTUNNEL_MARK } from '../rules/capture-constants.ts';

export interface NetnsListener {
  readonly protocol: string;
  readonly port: number;
  /** SO_MARK; only a process with rights over the namespace can set one. */
  readonly mark: number;
}

export interface NetnsView {
  /** Rule, route and setting of the return path are there for each family in use. */
  readonly returnPath: boolean;
  /** IP texts of all interfaces. */
  readonly addresses: readonly string[];
  /** On the mesh's ports only. */
  readonly listeners: readonly NetnsListener[];
  /** Equal as long as nobody changed the firewall's rules. */
  readonly generation: string;
}

/** The generation of a namespace in which nobody has set a rule yet. */
export const FRESH_GENERATION = '1';

/** Undefined when the line is a refusal or makes no sense. */
export function readNetnsView(line: string): NetnsView | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const {
    ok,
    returnPath,
    addresses,
    listeners,
    generation,
  }: { ok?: unknown; returnPath?: unknown; addresses?: unknown; listeners?: unknown; generation?: unknown } = value;
  if (ok !== true || typeof returnPath !== 'boolean' || typeof generation !== 'string') return undefined;
  if (!Array.isArray(addresses) || !Array.isArray(listeners)) return undefined;
  const texts = addresses.filter((one: unknown) => typeof one === 'string');
  return { returnPath, addresses: texts, listeners: listeners.flatMap(readListener), generation };
}

/** True when ztunnel itself listens there, and not something of the pod. */
export function isServed(view: NetnsView, protocol: 'tcp' | 'udp', port: number): boolean {
  return view.listeners.some((one) => one.protocol === protocol && one.port === port && one.mark === ZTUNNEL_MARK);
}

function readListener(value: unknown): readonly NetnsListener[] {
  if (typeof value !== 'object' || value === null) return [];
  const { protocol, port, mark }: { protocol?: unknown; port?: unknown; mark?: unknown } = value;
  return typeof protocol === 'string' && typeof port === 'number' && typeof mark === 'number'
    ? [{ protocol, port, mark }]
    : [];
}
