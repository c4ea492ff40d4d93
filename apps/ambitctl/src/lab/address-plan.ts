/**
 * Which address is whose in a lab. Pure. Every lab uses the same plan, since no lab shares a namespace with another.
 *
 * | what | IPv4 | IPv6 |
 * |---|---|---|
 * | control plane, CA, bus (in the fabric) | 10.254.0.1 | fd54::1 |
 * | link of node n: fabric end, node end | 10.254.n.1, 10.254.n.2 | fd54:0:0:n::1, ::2 |
 * | pods of node n | 10.244.n.10 up | fd44:0:0:n::a up |
 * | services without an address of their own | 10.96.0.0/16 | fd96::/112 |
 */

/** The two addresses of one thing. */
export interface DualAddress {
  readonly v4: string;
  readonly v6: string;
}

export const FABRIC_ADDRESS: DualAddress = { v4: '10.254.0.1', v6: 'fd54::1' };
/** Next hop of every pod, the same on each of a node's pod links. */
export const POD_GATEWAY: DualAddress = { v4: '169.254.1.1', v6: 'fe80::1' };

const FIRST_POD = 10;
const LAST_POD = 250;

/** `number` counts from 1. */
export function linkAddresses(number: number): { readonly fabric: DualAddress; readonly node: DualAddress } {
  const end = (host: number): DualAddress => ({
    v4: `10.254.${number}.${host}`,
    v6: `fd54:0:0:${number.toString(16)}::${host}`,
  });
  return { fabric: end(1), node: end(2) };
}

export function podNetworks(number: number): DualAddress {
  return { v4: `10.244.${number}.0/24`, v6: `fd44:0:0:${number.toString(16)}::/64` };
}

/** The address of a node's pod by its index from 0; undefined when the node is full. */
export function podAddress(number: number, index: number): DualAddress | undefined {
  const host = FIRST_POD + index;
  return host > LAST_POD
    ? undefined
    : { v4: `10.244.${number}.${host}`, v6: `fd44:0:0:${number.toString(16)}::${host.toString(16)}` };
}

/** Addresses for a service, chosen by its name so that they stay the same from one lab to the next. */
export function serviceAddress(slot: number): DualAddress {
  const host = 256 + (slot % 65_000);
  return { v4: `10.96.${host >> 8}.${host & 0xff}`, v6: `fd96::${host.toString(16)}` };
}
