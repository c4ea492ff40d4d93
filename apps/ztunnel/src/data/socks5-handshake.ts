/**
 * The server's half of the SOCKS5 handshake: bytes in, replies and a target out. Pure, incremental, bounded by the
 * length fields of the protocol. Spec: RFC 1928; contract data-plane 5.10.
 */
import { formatIp } from '@ambit/net';

/** What to do after bytes were pushed. */
export type Socks5Step =
  | { readonly kind: 'more' }
  /** Send the bytes and push more. */
  | { readonly kind: 'reply'; readonly bytes: Uint8Array }
  /** Send the bytes and close. */
  | { readonly kind: 'refuse'; readonly bytes: Uint8Array }
  /** Connect; `rest` are bytes of the application that came early. */
  | {
      readonly kind: 'connect';
      readonly host: { readonly kind: 'address' | 'domain'; readonly text: string };
      readonly port: number;
      readonly rest: Uint8Array;
    };

/** Reply codes in use; 2, 3 and 5 are reserved by Istio's ztunnel. */
export const socks5Replies = { success: 0, general: 1, unresolvable: 4, violation: 7 } as const;

/** A reply with the bound address 0.0.0.0:0. */
export function socks5Reply(code: number): Uint8Array {
  return Uint8Array.of(5, code, 0, 1, 0, 0, 0, 0, 0, 0);
}

/** One handshake. After `connect` or `refuse` it must not be used again. */
export class Socks5Handshake {
  #pending: Uint8Array = new Uint8Array(0);
  #state: 'greeting' | 'request' = 'greeting';

  /** Takes bytes of the client; they are copied. */
  push(bytes: Uint8Array): Socks5Step {
    const joined = new Uint8Array(this.#pending.length + bytes.length);
    joined.set(this.#pending);
    joined.set(bytes, this.#pending.length);
    this.#pending = joined;
    return this.#state === 'greeting' ? this.#greeting() : this.#request();
  }

  #greeting(): Socks5Step {
    const [version, count] = this.#pending;
    if (version !== undefined && version !== 5) return refuse();
    if (count === undefined || this.#pending.length < 2 + count) return { kind: 'more' };
    const methods = this.#pending.subarray(2, 2 + count);
    this.#pending = this.#pending.slice(2 + count);
    if (!methods.includes(0)) return { kind: 'refuse', bytes: Uint8Array.of(5, 0xff) };
    this.#state = 'request';
    return { kind: 'reply', bytes: Uint8Array.of(5, 0) };
  }

  #request(): Socks5Step {
    const bytes = this.#pending;
    if (bytes.length < 5) return { kind: 'more' };
    const [version, command, reserved, type, first = 0] = bytes;
    if (version !== 5 || command !== 1 || reserved !== 0) return refuse();
    const start = type === 3 ? 5 : 4;
    const length = type === 1 ? 4 : type === 4 ? 16 : type === 3 ? first : 0;
    if (length === 0) return refuse();
    const end = start + length;
    if (bytes.length < end + 2) return { kind: 'more' };
    const host = bytes.subarray(start, end);
    const port = ((bytes[end] ?? 0) << 8) | (bytes[end + 1] ?? 0);
    const rest = bytes.slice(end + 2);
    if (type !== 3) {
      return { kind: 'connect', host: { kind: 'address', text: formatIp(host) }, port, rest };
    }
    const text = String.fromCharCode(...host);
    if (!/^[\w*.-]+$/u.test(text)) return refuse();
    return { kind: 'connect', host: { kind: 'domain', text }, port, rest };
  }
}

function refuse(): Socks5Step {
  return { kind: 'refuse', bytes: socks5Reply(socks5Replies.violation) };
}
