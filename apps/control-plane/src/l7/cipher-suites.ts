/** Names as OpenSSL writes them. All with forward secrecy and AEAD: nothing weaker is offered, whoever asks for it. */
const offered: ReadonlySet<string> = new Set([
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
]);

/** What a listener asks for. */
export interface CipherChoice {
  /** Of TLS 1.2, in the server's order of preference; empty: all that are offered. */
  readonly suites: readonly string[];
  /** What is written and not offered. */
  readonly refused: readonly string[];
}

export const anyCipher: CipherChoice = { suites: [], refused: [] };

/** Reads a list with commas. As in Istio, what is not known is left out, and without anything left there is no choice. */
export function cipherChoice(written: string | undefined): CipherChoice {
  const names = [...new Set((written ?? '').split(',').map((name) => name.trim()))].filter((name) => name !== '');
  return {
    suites: names.filter((name) => offered.has(name)),
    refused: names.filter((name) => !offered.has(name)),
  };
}
