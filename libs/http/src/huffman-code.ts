/**
 * The Huffman code of HPACK. The code is canonical: codes of one length are consecutive and ordered by symbol, so the
 * lengths alone define it. Symbol 256 is EOS.
 * Spec: RFC 7541 appendix B.
 */

// One letter a symbol, 'A' is 5 bits, so 'Z' is 30.
const lengths: string =
  'ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBABCBAABCCCCCKGJIX' +
  'PRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRSVVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWVZ';

/** Code and length of each symbol, and the number of bits of the longest code. */
export interface HuffmanCode {
  readonly codes: Uint32Array;
  readonly lengths: Uint8Array;
}

let built: HuffmanCode | undefined;

/** The code table, built at first use. */
export function huffmanCode(): HuffmanCode {
  built ??= build();
  return built;
}

function build(): HuffmanCode {
  const bits = new Uint8Array(257);
  for (let symbol = 0; symbol < 257; symbol++) bits[symbol] = lengths.charCodeAt(symbol) - 60;
  const codes = new Uint32Array(257);
  let code = 0;
  for (let length = 5; length <= 30; length++) {
    for (let symbol = 0; symbol < 257; symbol++) {
      if (bits[symbol] === length) codes[symbol] = code++;
    }
    code *= 2;
  }
  return { codes, lengths: bits };
}
