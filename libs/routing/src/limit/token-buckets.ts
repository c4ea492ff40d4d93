import { hash } from 'node:crypto';

/** How a bucket fills, and how much it holds. */
export interface BucketRule {
  /** Tokens that come in each interval, evenly. */
  readonly tokens: number;
  readonly intervalMs: number;
  /** 1 or more. */
  readonly capacity: number;
}

/** What became of taking a token. */
export interface TokenTaken {
  /** False: there was none. */
  readonly isTaken: boolean;
  /** Whole tokens that are left. */
  readonly remaining: number;
  /** Until there is a token again; 0 when there is one. */
  readonly waitMs: number;
  /** Until the bucket is full again. */
  readonly fullInMs: number;
}

/** Ticks of a microsecond: fine enough for a million tokens a second, and good for years in a double. */
const ticksPerMs = 64_000;
const headWords = 1;
const wordsPerSlot = 2;
/** Places that a key may have; when all are taken by buckets in use, it shares one with others. */
const probes = 8;
const maxAttempts = 32;

/**
 * Buckets of tokens by key, in memory that the threads of a process share, so that all of them count together. A bucket is one
 * number: when it will be full again (the generic cell rate algorithm). A full bucket is worth nothing and makes room, so memory
 * is fixed. Keys that find no room share a bucket: who floods the table with keys is limited together, never let through.
 */
export class TokenBuckets {
  readonly #words: BigInt64Array;
  readonly #mask: number;
  readonly #nowNs: () => bigint;

  /** `shared`: of `allocate`. `nowNs`: a clock that all threads read alike. */
  constructor(shared: SharedArrayBuffer, nowNs: () => bigint = process.hrtime.bigint) {
    this.#words = new BigInt64Array(shared);
    this.#mask = (this.#words.length - headWords) / wordsPerSlot - 1;
    this.#nowNs = nowNs;
    // The first who comes sets the origin of time.
    Atomics.compareExchange(this.#words, 0, 0n, nowNs());
  }

  /** `slots`: a power of two; 16 bytes each. */
  static allocate(slots = 65_536): SharedArrayBuffer {
    if (slots < probes || (slots & (slots - 1)) !== 0) throw new RangeError(`${slots} is no power of two of 8 or more`);
    return new SharedArrayBuffer((headWords + slots * wordsPerSlot) * BigInt64Array.BYTES_PER_ELEMENT);
  }

  /** Takes a token of the bucket of a key. `scope` is what is shared by keys that find no room. */
  take(scope: string, key: string, rule: BucketRule): TokenTaken {
    const now = this.#now();
    const slot = this.#slot(tagOf(`${scope}\n${key}`), now) ?? this.#slot(tagOf(scope), now) ?? 0;
    const at = headWords + slot * wordsPerSlot + 1;
    const perToken = (rule.intervalMs * ticksPerMs) / rule.tokens;
    const whole = perToken * rule.capacity;
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const known = Atomics.load(this.#words, at);
      const full = Math.max(Number(known), now);
      const next = full + perToken;
      if (next - now > whole) return state(false, full - now, whole, perToken);
      if (Atomics.compareExchange(this.#words, at, known, BigInt(Math.ceil(next))) !== known) continue;
      return state(true, next - now, whole, perToken);
    }
    // Others took one each time: it is as good as empty.
    return state(false, whole, whole, perToken);
  }

  #now(): number {
    const origin = this.#words[0] ?? 0n;
    return Math.floor((Number(this.#nowNs() - origin) * ticksPerMs) / 1_000_000);
  }

  /** The place of a tag, taken over from a full bucket if it has none. Undefined: no room. */
  #slot(tag: bigint, now: number): number | undefined {
    const words = this.#words;
    const start = Number(BigInt.asUintN(32, tag)) & this.#mask;
    let free: number | undefined;
    let freeTag = 0n;
    for (let i = 0; i < probes; i++) {
      const slot = (start + i) & this.#mask;
      const at = headWords + slot * wordsPerSlot;
      const found = Atomics.load(words, at);
      if (found === tag) return slot;
      if (free !== undefined || Number(Atomics.load(words, at + 1)) > now) continue;
      free = slot;
      freeTag = found;
    }
    if (free === undefined) return undefined;
    // Whoever lost the race shares the bucket with the winner for once.
    Atomics.compareExchange(words, headWords + free * wordsPerSlot, freeTag, tag);
    return free;
  }
}

function state(isTaken: boolean, fullIn: number, whole: number, perToken: number): TokenTaken {
  const left = (whole - fullIn) / perToken;
  return {
    isTaken,
    remaining: Math.max(0, Math.floor(left + 1e-6)),
    waitMs: left >= 1 ? 0 : Math.max(0, fullIn + perToken - whole) / ticksPerMs,
    fullInMs: fullIn / ticksPerMs,
  };
}

/** 64 bits of a key; 0 means no key. */
function tagOf(text: string): bigint {
  return hash('sha256', text, 'buffer').readBigInt64BE(0) || 1n;
}
