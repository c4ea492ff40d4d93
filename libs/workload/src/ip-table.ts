import { HashIndex, spread } from './hash-index.ts';
import { grown, IdPool } from './id-pool.ts';
import { IpWords } from './ip-words.ts';

/**
 * Owners (small integers) by network and IP address. Several owners of one address form a chain.
 * Typed arrays only: 28 bytes an entry and its share of the hash index.
 */
export class IpTable {
  readonly #index = new HashIndex();
  readonly #ids = new IdPool();
  readonly #wanted = new IpWords();
  #wantedNetwork = 0;
  #network: Uint32Array = new Uint32Array(64);
  #w0: Uint32Array = new Uint32Array(64);
  #w1: Uint32Array = new Uint32Array(64);
  #w2: Uint32Array = new Uint32Array(64);
  #w3: Uint32Array = new Uint32Array(64);
  #owner: Uint32Array = new Uint32Array(64);
  /** The next entry of the same address, plus one; 0 ends the chain. */
  #next: Uint32Array = new Uint32Array(64);

  readonly #isWanted = (entry: number): boolean =>
    this.#w3[entry] === this.#wanted.w3 &&
    this.#w2[entry] === this.#wanted.w2 &&
    this.#w1[entry] === this.#wanted.w1 &&
    this.#w0[entry] === this.#wanted.w0 &&
    this.#network[entry] === this.#wantedNetwork;

  /** Number of entries, counting each owner of each address. */
  get size(): number {
    return this.#ids.live;
  }

  insert(network: number, ip: IpWords, owner: number): void {
    const entry = this.#ids.take();
    this.#network = grown(this.#network, entry);
    this.#w0 = grown(this.#w0, entry);
    this.#w1 = grown(this.#w1, entry);
    this.#w2 = grown(this.#w2, entry);
    this.#w3 = grown(this.#w3, entry);
    this.#owner = grown(this.#owner, entry);
    this.#next = grown(this.#next, entry);
    this.#network[entry] = network;
    this.#w0[entry] = ip.w0;
    this.#w1[entry] = ip.w1;
    this.#w2[entry] = ip.w2;
    this.#w3[entry] = ip.w3;
    this.#owner[entry] = owner;
    const head = this.first(network, ip);
    if (head < 0) {
      this.#next[entry] = 0;
      this.#index.insert(hashOf(network, ip), entry);
    } else {
      // Behind the head, so that the index stays as it is.
      this.#next[entry] = this.#next[head] ?? 0;
      this.#next[head] = entry + 1;
    }
  }

  /** Removes one owner of an address; false when it is not one. */
  remove(network: number, ip: IpWords, owner: number): boolean {
    const head = this.first(network, ip);
    let previous = -1;
    for (let entry = head; entry >= 0; entry = this.next(entry)) {
      if (this.#owner[entry] !== owner) {
        previous = entry;
        continue;
      }
      const next = this.#next[entry] ?? 0;
      if (previous >= 0) this.#next[previous] = next;
      else if (next > 0) this.#index.replace(hashOf(network, ip), entry, next - 1);
      else this.#index.remove(hashOf(network, ip), entry);
      this.#ids.give(entry);
      return true;
    }
    return false;
  }

  /** The first entry of an address, or -1. */
  first(network: number, ip: IpWords): number {
    const wanted = this.#wanted;
    wanted.w0 = ip.w0;
    wanted.w1 = ip.w1;
    wanted.w2 = ip.w2;
    wanted.w3 = ip.w3;
    this.#wantedNetwork = network;
    return this.#index.find(hashOf(network, ip), this.#isWanted);
  }

  /** The next entry of the same address, or -1. */
  next(entry: number): number {
    return (this.#next[entry] ?? 0) - 1;
  }

  owner(entry: number): number {
    return this.#owner[entry] ?? 0;
  }
}

function hashOf(network: number, ip: IpWords): number {
  const upper = Math.imul(ip.w0 ^ Math.imul(ip.w1, 31), 0x9e3779b1) ^ Math.imul(ip.w2, 0x85ebca6b);
  return spread(ip.w3 ^ upper ^ Math.imul(network, 0x27d4eb2f));
}
