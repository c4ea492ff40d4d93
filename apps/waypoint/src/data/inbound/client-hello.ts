/** Reads the server name out of the first bytes of a TLS connection that is not ended here. Pure. Spec: RFC 8446 4.1.2, RFC 6066 3. */

export type ClientHello =
  /** `serverName` undefined: the client names none. */
  | { readonly kind: 'hello'; readonly serverName: string | undefined }
  | { readonly kind: 'more' }
  /** Not TLS, or not as TLS has to be. */
  | { readonly kind: 'other' };

const handshakeRecord = 22;
const clientHelloMessage = 1;
const serverNameExtension = 0;
const hostNameType = 0;
/** A hello with post-quantum key shares has about 2 KiB; more than this is no hello. */
const maxHelloBytes = 16 * 1024;

const more: ClientHello = { kind: 'more' };
const other: ClientHello = { kind: 'other' };

/** `bytes` are all that have come so far. */
export function readClientHello(bytes: Buffer): ClientHello {
  const message = handshakeBytes(bytes);
  if (!Buffer.isBuffer(message)) return message;
  try {
    return { kind: 'hello', serverName: serverNameOf(message) };
  } catch (error) {
    // Buffer throws RangeError where a length says more than is there.
    if (error instanceof RangeError) return other;
    throw error;
  }
}

/** The whole ClientHello, which may be cut into several records. */
function handshakeBytes(bytes: Buffer): Buffer | ClientHello {
  const parts: Buffer[] = [];
  let collected = 0;
  let at = 0;
  for (;;) {
    if (bytes.length > at && bytes[at] !== handshakeRecord) return other;
    if (bytes.length > at + 1 && bytes[at + 1] !== 3) return other;
    if (bytes.length < at + 5) return more;
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > maxHelloBytes) return other;
    const part = bytes.subarray(at + 5, at + 5 + length);
    parts.push(part);
    collected += part.length;
    if (collected >= 1 && (parts[0]?.[0] ?? 0) !== clientHelloMessage) return other;
    const whole = parts.length === 1 ? part : Buffer.concat(parts);
    const needed = whole.length >= 4 ? 4 + whole.readUIntBE(1, 3) : undefined;
    if (needed !== undefined && needed > maxHelloBytes) return other;
    if (needed !== undefined && whole.length >= needed) return whole.subarray(4, needed);
    if (part.length < length) return more;
    at += 5 + length;
  }
}

function serverNameOf(hello: Buffer): string | undefined {
  // Version and random.
  let at = 34;
  at += 1 + hello.readUInt8(at);
  at += 2 + hello.readUInt16BE(at);
  at += 1 + hello.readUInt8(at);
  if (at === hello.length) return undefined;
  const end = at + 2 + hello.readUInt16BE(at);
  if (end !== hello.length) throw new RangeError('extensions do not fill the message');
  at += 2;
  while (at < end) {
    const type = hello.readUInt16BE(at);
    const length = hello.readUInt16BE(at + 2);
    at += 4;
    if (at + length > end) throw new RangeError('extension is longer than the message');
    if (type === serverNameExtension) return hostNameOf(hello.subarray(at, at + length));
    at += length;
  }
  return undefined;
}

function hostNameOf(extension: Buffer): string | undefined {
  if (extension.readUInt16BE(0) !== extension.length - 2) throw new RangeError('list does not fill the extension');
  for (let at = 2; at < extension.length;) {
    const length = extension.readUInt16BE(at + 1);
    const name = extension.subarray(at + 3, at + 3 + length);
    if (name.length !== length) throw new RangeError('name is longer than the list');
    if (extension.readUInt8(at) === hostNameType) {
      const text = name.toString('latin1').toLowerCase();
      if (!/^[a-z0-9_.-]{1,255}$/.test(text)) throw new RangeError('not a host name');
      return text;
    }
    at += 3 + length;
  }
  return undefined;
}
