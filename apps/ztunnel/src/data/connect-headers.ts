/** The headers of a CONNECT request in their order on the wire. Spec: contract data-plane 1.4. */
import type { SocketAddress } from '@ambit/net';
import { addressText, type ServiceDescription, type Workload } from '@ambit/workload';
import { formatBaggage } from './baggage.ts';

/** Name and value; names are lower case. */
export type Header = readonly [name: string, value: string];

export interface ConnectFacts {
  readonly source: Workload;
  readonly sourceAddress: SocketAddress;
  readonly service: ServiceDescription | undefined;
  readonly traceParent: string;
}

/** `baggage`, `forwarded`, `traceparent`; nothing else goes out on a single tunnel. */
export function connectHeaders(facts: ConnectFacts): readonly Header[] {
  const { source, sourceAddress, service, traceParent } = facts;
  const by = `for="${addressText(sourceAddress)}"`;
  return [
    ['baggage', formatBaggage(source)],
    ['forwarded', service === undefined ? by : `${by};host=${service.hostname}`],
    ['traceparent', traceParent],
  ];
}

/** A fresh `traceparent`; it is derived from nothing. `random` answers integers below 2^32. */
export function newTraceParent(random: () => number): string {
  const word = (): string => {
    const value = random();
    return `${hexPair(value >>> 24)}${hexPair(value >>> 16)}${hexPair(value >>> 8)}${hexPair(value)}`;
  };
  return `00-${word()}${word()}${word()}${word()}-${word()}${word()}-00`;
}

/** Numbers above 2^31 are no small integers to V8, and their own conversion takes ten times as long. */
const hexPairs: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function hexPair(value: number): string {
  return hexPairs[value & 0xff] ?? '';
}
