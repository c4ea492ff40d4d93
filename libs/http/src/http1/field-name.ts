import { equalsLower } from './field-slices.ts';

/** A field name in lower case, made once for all messages of the thread that use it. */
export interface FieldName {
  readonly text: string;
  /** Ends at this hop, or is said by the message's head itself: not among the fields that are handed on. */
  readonly isOwnOfConnection: boolean;
}

const slots = 1024;
/** Longer names are not kept. */
const maxKeptBytes = 64;

/** Fields that end at this hop, or tell where the message ends on it. */
export const hopByHopNames: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
];

const ownNames: ReadonlySet<string> = new Set([...hopByHopNames, 'host', 'expect']);

/** Last name seen with each hash; an attacker's names can only push others out. */
const known: (FieldName | undefined)[] = [];

/** The name at `buffer[from..to)`, which must be a token. Allocates for names not seen lately only. */
export function fieldNameAt(buffer: Uint8Array, from: number, to: number): FieldName {
  let hash = to - from;
  // Names differ in case rarely; folding with one OR is enough for a hash of tokens.
  for (let i = from; i < to; i++) hash = (Math.imul(hash, 31) + ((buffer[i] ?? 0) | 0x20)) | 0;
  const slot = (hash ^ (hash >>> 15)) & (slots - 1);
  const found = known[slot];
  if (found !== undefined && equalsLower(buffer, from, to, found.text)) return found;
  const name = makeName(buffer, from, to);
  if (to - from <= maxKeptBytes) known[slot] = name;
  return name;
}

function makeName(buffer: Uint8Array, from: number, to: number): FieldName {
  const text = Buffer.prototype.latin1Slice.call(buffer, from, to).toLowerCase();
  return { text, isOwnOfConnection: ownNames.has(text) };
}
