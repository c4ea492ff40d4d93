import type { PathTest } from './path-match.ts';
import { type PathRewrite, rewritePath } from './rewrite.ts';
import type { RoutedRequest } from './routed-request.ts';

/**
 * Which port a redirect names. `scheme`: the well-known one of the scheme. `request`: the one in the request's Host, as long as the
 * redirect names no host itself.
 */
export type RedirectPort =
  | { readonly kind: 'number'; readonly port: number }
  | { readonly kind: 'scheme' }
  | { readonly kind: 'listener'; readonly port: number }
  | { readonly kind: 'request' };

/** An answer that sends the client elsewhere; nothing is forwarded. */
export interface Redirect {
  /** Undefined: that of the request. */
  readonly scheme: string | undefined;
  readonly host: string | undefined;
  readonly port: RedirectPort;
  readonly path: PathRewrite | undefined;
  /** 301, 302, 303, 307 or 308. */
  readonly status: number;
}

const wellKnownPorts: ReadonlyMap<string, number> = new Map([
  ['http', 80],
  ['https', 443],
]);

/**
 * The Location of a redirect: absolute, `:80` of http and `:443` of https left out. The query is kept unless the new path has one of
 * its own. Spec: contract l7 1.5, 3.2.
 */
export function redirectLocation(redirect: Redirect, request: RoutedRequest, matched: PathTest | undefined): string {
  const scheme = redirect.scheme ?? request.scheme;
  const { host: requestHost, port: requestPort } = splitAuthority(request.authority);
  const host = redirect.host ?? requestHost;
  const port = redirectPort(
    redirect.port,
    scheme,
    // The port of the old host says nothing of the new one.
    redirect.host === undefined ? requestPort : undefined,
    redirect.scheme !== undefined && redirect.scheme !== request.scheme,
  );
  const isDefault = port === undefined || wellKnownPorts.get(scheme) === port;
  const path = redirect.path === undefined ? request.path : rewritePath(redirect.path, request.path, matched);
  const query = path.includes('?') ? '' : request.query;
  return `${scheme}://${host}${isDefault ? '' : `:${port}`}${path}${query}`;
}

function redirectPort(
  wanted: RedirectPort,
  scheme: string,
  requestPort: number | undefined,
  changesScheme: boolean,
): number | undefined {
  switch (wanted.kind) {
    case 'number':
    case 'listener':
      return wanted.port;
    case 'scheme':
      return wellKnownPorts.get(scheme);
    case 'request':
      // A port that only said the old scheme would be wrong for the new one.
      return changesScheme && (requestPort === 80 || requestPort === 443) ? undefined : requestPort;
  }
}

/** Host and port of an authority; brackets stay with an IPv6 address. */
export function splitAuthority(authority: string): { readonly host: string; readonly port: number | undefined } {
  const colon = authority.lastIndexOf(':');
  if (colon < 0 || authority.endsWith(']')) return { host: authority, port: undefined };
  const port = Number(authority.slice(colon + 1));
  return Number.isInteger(port) ? { host: authority.slice(0, colon), port } : { host: authority, port: undefined };
}
