/** The key of consistent hashing, read from a request; and the cookie that carries it where there was none. */
import { hashText } from '@ambit/routing';

import type { HashKey } from '../config/traffic-policy.ts';
import type { RequestView } from './request-view.ts';

export interface SessionHash {
  /** Undefined: the request has no key, any endpoint will do. */
  readonly hash: number | undefined;
  /** For the answer, when the proxy made the key. */
  readonly setCookie: string | undefined;
}

export const noSession: SessionHash = { hash: undefined, setCookie: undefined };

/** `newKey` makes the value of a cookie. Spec: contract l7 3.4. */
export function sessionHash(
  key: HashKey | undefined,
  view: RequestView,
  clientAddress: string,
  newKey: () => string,
): SessionHash {
  switch (key?.kind) {
    case undefined:
      return noSession;
    case 'header':
      return ofText(view.header(key.name));
    case 'source-ip':
      return ofText(clientAddress);
    case 'query-parameter':
      return ofText(view.queryParameter(key.name));
    case 'cookie': {
      const sent = cookieValue(view.header('cookie'), key.name);
      if (sent !== undefined || key.ttlMs === undefined) return ofText(sent);
      const made = newKey();
      const age = key.ttlMs === 0 ? '' : `; Max-Age=${Math.ceil(key.ttlMs / 1000)}`;
      const path = key.path === '' ? '' : `; Path=${key.path}`;
      return { hash: hashText(made), setCookie: `${key.name}="${made}"${age}${path}${key.attributes}; HttpOnly` };
    }
  }
}

function ofText(text: string | undefined): SessionHash {
  return text === undefined || text === '' ? noSession : { hash: hashText(text), setCookie: undefined };
}

/** Value of the first cookie of the name, without quotes. */
export function cookieValue(header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined;
  for (const part of header.split(';')) {
    const text = part.trim();
    if (!text.startsWith(`${name}=`)) continue;
    const value = text.slice(name.length + 1);
    return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
  }
  return undefined;
}
