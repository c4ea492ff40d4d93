import type { route as messages } from '@ambit/api';

import { limitMs } from './duration.ts';
import type { Problems } from './problems.ts';

/** Who carries the name of a session: a cookie that the client keeps, or a header that it sends back. */
export type SessionCarrier =
  | { readonly kind: 'cookie'; readonly name: string; readonly path: string; readonly isPermanent: boolean }
  /** Lower case. */
  | { readonly kind: 'header'; readonly name: string };

/** Requests of one session go to one endpoint. Spec: Gateway API, GEP-1619. */
export interface SessionPersistence {
  readonly carrier: SessionCarrier;
  /** From the first request on. */
  readonly absoluteMs: number | undefined;
  /** From the last request on. */
  readonly idleMs: number | undefined;
}

export function compileSession(
  message: messages.SessionPersistence | undefined,
  place: string,
  problems: Problems,
): SessionPersistence | undefined {
  if (message === undefined) return undefined;
  const carrier = compileCarrier(message.carrier);
  if (carrier === undefined) {
    problems.bad(place, 'session persistence without a carrier that is known here');
    return undefined;
  }
  if (!isToken(carrier.name)) problems.bad(place, `${JSON.stringify(carrier.name)} cannot name a cookie or header`);
  if (carrier.kind === 'cookie' && !/^[\x21-\x3a\x3c-\x7e]*$/.test(carrier.path)) {
    problems.bad(place, `${JSON.stringify(carrier.path)} cannot be the path of a cookie`);
  }
  return { carrier, absoluteMs: limitMs(message.absoluteTimeout), idleMs: limitMs(message.idleTimeout) };
}

function compileCarrier(carrier: messages.SessionPersistence['carrier']): SessionCarrier | undefined {
  switch (carrier.case) {
    case 'cookie': {
      const { name, path, permanent } = carrier.value;
      return { kind: 'cookie', name, path: path === '' ? '/' : path, isPermanent: permanent };
    }
    case 'header':
      return { kind: 'header', name: carrier.value.toLowerCase() };
    case undefined:
      return undefined;
  }
}

/** Spec: RFC 9110, 5.6.2; RFC 6265, 4.1.1. */
function isToken(name: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name);
}
