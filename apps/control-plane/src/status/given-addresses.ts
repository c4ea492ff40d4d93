import type { AllocatedAddress } from '@ambit/kube';

/**
 * Addresses written in this term, by who got them. What was written is seen in the source only a moment later; until then
 * a derivation may give an address a second time.
 */
export class GivenAddresses {
  readonly #owners = new Map<string, string>();

  /** Notes that `owner` gets these; false, and nothing is noted, when another has one of them. */
  take(owner: string, addresses: readonly AllocatedAddress[]): boolean {
    if (addresses.some(({ value }) => (this.#owners.get(value) ?? owner) !== owner)) return false;
    for (const [value, holder] of this.#owners) if (holder === owner) this.#owners.delete(value);
    for (const { value } of addresses) this.#owners.set(value, owner);
    return true;
  }
}
