import { type AddressRange, type Cidr, isWithin } from './cidr.ts';
import { compareBytes, type IpAddress } from './ip-address.ts';

/** Blocks merged into sorted ranges; a lookup is a binary search and allocates nothing. Immutable. */
export class CidrSet {
  readonly #ranges: readonly AddressRange[];

  constructor(blocks: Iterable<Cidr>) {
    const sorted = [...blocks].toSorted((a, b) => compareBytes(a.first, b.first) || compareBytes(a.last, b.last));
    const ranges: AddressRange[] = [];
    for (const block of sorted) {
      const before = ranges.at(-1);
      if (before === undefined || !isWithin(before, block.first)) ranges.push(block);
      else if (!isWithin(before, block.last)) ranges[ranges.length - 1] = { first: before.first, last: block.last };
    }
    this.#ranges = ranges;
  }

  /** Number of separate ranges left after merging. */
  get size(): number {
    return this.#ranges.length;
  }

  contains(ip: IpAddress): boolean {
    return this.containsBytes(ip.bytes);
  }

  /** As `contains`, for 4 or 16 bytes. */
  containsBytes(bytes: Uint8Array): boolean {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const range = this.#ranges[middle];
      if (range !== undefined && compareBytes(range.first, bytes) <= 0) low = middle + 1;
      else high = middle;
    }
    const candidate = this.#ranges[low - 1];
    return candidate !== undefined && isWithin(candidate, bytes);
  }
}
