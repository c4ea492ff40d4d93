/**
 * An open-addressing hash index from a 32-bit hash to small integer ids, in two typed arrays:
 * about 12 bytes an entry, no object per key. The owner keeps the keys and compares them.
 *
 * Linear probing with backward-shift removal, so there are no tombstones to clean up.
 */
export class HashIndex {
  /** Ids plus one; 0 is a free place. */
  #places: Uint32Array;
  #mask: number;
  #hashes: Uint32Array;
  #size = 0;

  constructor(expected = 64) {
    const capacity = powerOfTwo(expected * 2);
    this.#places = new Uint32Array(capacity);
    this.#mask = capacity - 1;
    this.#hashes = new Uint32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** The id with this hash for which `isWanted` holds, or -1. */
  find(hash: number, isWanted: (id: number) => boolean): number {
    const wanted = hash >>> 0;
    for (let at = wanted & this.#mask; ; at = (at + 1) & this.#mask) {
      const place = this.#places[at] ?? 0;
      if (place === 0) return -1;
      if (this.#hashes[at] === wanted && isWanted(place - 1)) return place - 1;
    }
  }

  /** Adds an id whose key is not in the index yet. */
  insert(hash: number, id: number): void {
    if ((this.#size + 1) * 4 > this.#places.length * 3) this.#resize(this.#places.length * 2);
    this.#put(hash >>> 0, id + 1);
    this.#size++;
  }

  /** Lets another id stand for the same key. */
  replace(hash: number, id: number, by: number): void {
    const at = this.#placeOf(hash >>> 0, id);
    if (at >= 0) this.#places[at] = by + 1;
  }

  /** Removes an id; false when it is not there. */
  remove(hash: number, id: number): boolean {
    let hole = this.#placeOf(hash >>> 0, id);
    if (hole < 0) return false;
    this.#size--;
    for (let at = (hole + 1) & this.#mask; ; at = (at + 1) & this.#mask) {
      const place = this.#places[at] ?? 0;
      if (place === 0) break;
      const home = (this.#hashes[at] ?? 0) & this.#mask;
      // Move the entry into the hole unless its home lies behind the hole.
      if (((at - home) & this.#mask) >= ((at - hole) & this.#mask)) {
        this.#places[hole] = place;
        this.#hashes[hole] = this.#hashes[at] ?? 0;
        hole = at;
      }
    }
    this.#places[hole] = 0;
    if (this.#places.length > 1024 && this.#size * 8 < this.#places.length) {
      this.#resize(this.#places.length / 2);
    }
    return true;
  }

  #placeOf(hash: number, id: number): number {
    for (let at = hash & this.#mask; ; at = (at + 1) & this.#mask) {
      const place = this.#places[at] ?? 0;
      if (place === 0) return -1;
      if (place === id + 1) return at;
    }
  }

  #put(hash: number, place: number): void {
    let at = hash & this.#mask;
    while (this.#places[at] !== 0) at = (at + 1) & this.#mask;
    this.#places[at] = place;
    this.#hashes[at] = hash;
  }

  #resize(capacity: number): void {
    const places = this.#places;
    const hashes = this.#hashes;
    this.#places = new Uint32Array(capacity);
    this.#hashes = new Uint32Array(capacity);
    this.#mask = capacity - 1;
    for (let at = 0; at < places.length; at++) {
      const place = places[at] ?? 0;
      if (place !== 0) this.#put(hashes[at] ?? 0, place);
    }
  }
}

/** FNV-1a over the code units of a string. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return spread(hash);
}

/** Spreads the bits of an integer, so that neighbouring keys do not cluster. */
export function spread(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

function powerOfTwo(least: number): number {
  let capacity = 16;
  while (capacity < least) capacity *= 2;
  return capacity;
}
