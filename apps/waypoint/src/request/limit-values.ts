import type { LimitKey } from '../config/rate-limit.ts';
import type { RequestView } from './request-view.ts';

/** What makes the request count apart, in the order of the keys; undefined: it lacks one, and is not counted. */
export function limitValues(
  keys: readonly LimitKey[],
  view: RequestView,
  routeName: string,
): readonly string[] | undefined {
  const values: string[] = [];
  for (const key of keys) {
    const value = valueOf(key, view, routeName);
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values;
}

function valueOf(key: LimitKey, view: RequestView, routeName: string): string | undefined {
  switch (key.kind) {
    case 'client-address':
      return Buffer.from(view.remoteIp).toString('hex');
    // Everybody without an identity is one client.
    case 'source-principal':
      return view.peer?.principal ?? '';
    case 'source-namespace':
      return view.peer?.namespace ?? '';
    case 'route':
      return routeName;
    case 'host':
      return view.authority.toLowerCase();
    case 'method':
      return view.method;
    case 'path':
      return view.path;
    case 'header':
      return view.header(key.name);
    case 'claim':
      return view.claim(key.path)[0];
  }
}
