import { huffmanCode } from './huffman-code.ts';

/**
 * Huffman decoding by states of 4 input bits: each entry of the table is one transition.
 * Entry layout: next state << 16 | has symbol << 8 | symbol; -1 is an illegal input (EOS).
 * Every code is longer than 4 bits, so a transition yields at most one symbol.
 */
interface DecodeTable {
  readonly transitions: Int32Array;
  /** 1 for states in which the input may end: at most 7 bits of a code, all ones. */
  readonly accepting: Uint8Array;
}

let built: DecodeTable | undefined;

/**
 * Decodes `source[offset, offset + length)` into `target` from 0; returns the number of bytes written, or -1 when the
 * input is illegal (EOS inside, padding over 7 bits or not all ones) or does not fit into `maxBytes`.
 * Spec: RFC 7541 section 5.2.
 */
export function decodeHuffman(
  source: Uint8Array,
  offset: number,
  length: number,
  target: Uint8Array,
  maxBytes: number,
): number {
  built ??= buildTable();
  const { transitions, accepting } = built;
  let state = 0;
  let written = 0;
  for (let i = offset; i < offset + length; i++) {
    const byte = source[i] ?? 0;
    for (let shift = 4; shift >= 0; shift -= 4) {
      const entry = transitions[(state << 4) | ((byte >> shift) & 15)] ?? -1;
      if (entry < 0) return -1;
      if ((entry & 256) !== 0) {
        if (written === maxBytes) return -1;
        target[written++] = entry & 255;
      }
      state = entry >> 16;
    }
  }
  return accepting[state] === 1 ? written : -1;
}

/** Walks the code tree; inner nodes are numbered in order of discovery, the root is 0. */
function buildTable(): DecodeTable {
  const { codes, lengths } = huffmanCode();
  const children: number[] = [0, 0];
  const depths: number[] = [0];
  const allOnes: boolean[] = [true];
  for (let symbol = 0; symbol < 257; symbol++) {
    const length = lengths[symbol] ?? 0;
    let node = 0;
    for (let bit = length - 1; bit >= 0; bit--) {
      const side = ((codes[symbol] ?? 0) >>> bit) & 1;
      const slot = node * 2 + side;
      if (bit === 0) {
        children[slot] = -1 - symbol;
      } else {
        let next = children[slot] ?? 0;
        if (next === 0) {
          next = depths.length;
          children[slot] = next;
          children.push(0, 0);
          depths.push((depths[node] ?? 0) + 1);
          allOnes.push((allOnes[node] ?? false) && side === 1);
        }
        node = next;
      }
    }
  }
  const transitions = new Int32Array(depths.length * 16);
  for (let state = 0; state < depths.length; state++) {
    for (let nibble = 0; nibble < 16; nibble++) transitions[state * 16 + nibble] = walk(children, state, nibble);
  }
  const accepting = Uint8Array.from(depths, (depth, node) => (depth < 8 && allOnes[node] === true ? 1 : 0));
  return { transitions, accepting };
}

function walk(children: readonly number[], from: number, nibble: number): number {
  let node = from;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const next = children[node * 2 + ((nibble >> bit) & 1)] ?? 0;
    if (next >= 0) {
      node = next;
      continue;
    }
    const symbol = -1 - next;
    if (symbol === 256) return -1;
    emitted = 256 | symbol;
    node = 0;
  }
  return (node << 16) | emitted;
}
