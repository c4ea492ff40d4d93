/** Text armour of DER. Spec: RFC 7468. */
import { IdentityError } from './identity-error.ts';

/** No certificate, request or key of the mesh comes near this. */
const MAX_BLOCK_BYTES = 64 * 1024;

/** Encodes DER as one PEM block with 64 characters a line and a final newline. */
export function encodePem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.length).toString('base64');
  let body = '';
  for (let offset = 0; offset < base64.length; offset += 64) body += `${base64.slice(offset, offset + 64)}\n`;
  return `-----BEGIN ${label}-----\n${body}-----END ${label}-----\n`;
}

/**
 * Decodes all blocks, in order; text outside of blocks is ignored.
 * Throws IdentityError PEM_INVALID for another label, an unclosed block, text that is not base64, more than `maxBlocks`.
 */
export function decodePem(label: string, text: string, maxBlocks: number): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  for (let block = nextBlock(text, 0); block !== undefined; block = nextBlock(text, block.end)) {
    if (block.label !== label) throw invalid(`a block that is not a ${label}`);
    if (blocks.length === maxBlocks) throw invalid(`more than ${maxBlocks} blocks`);
    blocks.push(block.der);
  }
  return blocks;
}

/** Decodes the first block if it has one of the labels; what follows is not looked at. Throws IdentityError PEM_INVALID. */
export function decodeFirstPem(labels: readonly string[], text: string): Uint8Array {
  const block = nextBlock(text, 0);
  if (block === undefined || !labels.includes(block.label)) throw invalid(`no ${labels.join(' or ')} at the start`);
  return block.der;
}

interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array;
  /** Offset of the text after the block. */
  readonly end: number;
}

const BEGIN = '-----BEGIN ';
const DASHES = '-----';

function nextBlock(text: string, from: number): PemBlock | undefined {
  const begin = text.indexOf(BEGIN, from);
  if (begin < 0) return undefined;
  const bodyStart = text.indexOf(DASHES, begin + BEGIN.length);
  const label = text.slice(begin + BEGIN.length, bodyStart);
  if (bodyStart < 0 || label.length > 40) throw invalid('a block without label');
  const footer = `-----END ${label}-----`;
  const footerStart = text.indexOf(footer, bodyStart);
  if (footerStart < 0) throw invalid('a block without end');
  return {
    label,
    der: decodeBody(text.slice(bodyStart + DASHES.length, footerStart)),
    end: footerStart + footer.length,
  };
}

function decodeBody(body: string): Uint8Array {
  const base64 = body.replace(/[\r\n\t ]+/g, '');
  if (base64.length > MAX_BLOCK_BYTES * 2) throw invalid('a block that is too large');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length % 4 !== 0) throw invalid('text that is not base64');
  return Buffer.from(base64, 'base64');
}

function invalid(found: string): IdentityError {
  return new IdentityError('PEM_INVALID', `unreadable PEM: ${found}`, { source: 'upstream' });
}
