/** Tells HTTP from other protocols by a client's first bytes. Pure. Istio: HTTP inspection of ports without a protocol. */

/** `more`: the bytes so far could become either. */
export type SniffedProtocol = 'http' | 'other' | 'more';

const preface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** Longer methods are not HTTP. */
const maxMethodBytes = 24;
/** A request line that is not complete after so many bytes is taken for HTTP: its codec has the limit. */
const maxLineBytes = 8192;
const space = 0x20;
const cr = 0x0d;
const lf = 0x0a;

export function sniffProtocol(bytes: Buffer): SniffedProtocol {
  if (bytes.length === 0) return 'more';
  const compared = Math.min(bytes.length, preface.length);
  if (bytes.compare(preface, 0, compared, 0, compared) === 0) return compared === preface.length ? 'http' : 'more';
  const methodEnd = bytes.subarray(0, maxMethodBytes + 1).indexOf(space);
  const method = bytes.subarray(0, methodEnd < 0 ? Math.min(bytes.length, maxMethodBytes + 1) : methodEnd);
  if (methodEnd === 0 || !isMethod(method)) return 'other';
  if (methodEnd < 0) return bytes.length > maxMethodBytes ? 'other' : 'more';
  const lineEnd = bytes.indexOf(lf);
  if (lineEnd < 0) return bytes.length > maxLineBytes ? 'http' : 'more';
  const end = bytes[lineEnd - 1] === cr ? lineEnd - 1 : lineEnd;
  return /^HTTP\/1\.[01]$/.test(bytes.toString('latin1', Math.max(0, end - 8), end)) ? 'http' : 'other';
}

/** On a port that is HTTP: which version, as the client's bytes say. */
export function isHttp2Preface(bytes: Buffer): 'yes' | 'no' | 'more' {
  const compared = Math.min(bytes.length, preface.length);
  if (bytes.compare(preface, 0, compared, 0, compared) !== 0) return 'no';
  return compared === preface.length ? 'yes' : 'more';
}

/** Methods of HTTP that anybody uses are letters and a dash. */
function isMethod(bytes: Uint8Array): boolean {
  for (const byte of bytes) {
    const isLetter = (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
    if (!isLetter && byte !== 0x2d && byte !== 0x5f) return false;
  }
  return bytes.length > 0;
}
