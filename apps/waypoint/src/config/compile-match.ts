/** Conditions of a route, from messages to tests. */
import type { route as messages } from '@ambit/api';
import {
  compileRouteMatch,
  type FieldMatch,
  type PathMatch,
  type RouteMatch,
  type RouteTest,
  type TextMatch,
} from '@ambit/routing';

import type { PathKey } from './route-table.ts';

/** Throws RangeError for a pattern that is no RE2 or a condition without kind. */
export function compileMatch(message: messages.HttpMatch): RouteTest {
  const match: RouteMatch = {
    ...(message.path === undefined ? {} : { path: pathMatch(message.path) }),
    ...(message.method === undefined ? {} : { method: textMatch(message.method) }),
    ...(message.scheme === undefined ? {} : { scheme: textMatch(message.scheme) }),
    ...(message.authority === undefined ? {} : { authority: textMatch(message.authority) }),
    headers: message.headers.map((field) => fieldMatch(field, true)),
    withoutHeaders: message.withoutHeaders.map((field) => fieldMatch(field, true)),
    queryParameters: message.queryParameters.map((field) => fieldMatch(field, false)),
    claims: message.claims.map(({ path, match: claim }) => ({ path, match: textMatch(claim) })),
  };
  return compileRouteMatch(match);
}

/** What the path must be or begin with, where that can be said. */
export function pathKeyOf(path: messages.PathMatch | undefined): PathKey {
  if (path === undefined || path.ignoreCase) return undefined;
  const { kind } = path;
  switch (kind.case) {
    case 'exact':
      return { kind: 'exact', path: kind.value };
    case 'prefix':
      return { kind: 'prefix', prefix: kind.value };
    case 'segments':
      // A slash at the end means nothing: `/abc/` matches `/abc` as well.
      return { kind: 'prefix', prefix: kind.value.endsWith('/') ? kind.value.slice(0, -1) : kind.value };
    case 'regex':
    case undefined:
      return undefined;
  }
}

function pathMatch({ kind, ignoreCase }: messages.PathMatch): PathMatch {
  switch (kind.case) {
    case 'exact':
      return { kind: 'exact', value: kind.value, foldsCase: ignoreCase };
    case 'segments':
      return { kind: 'segments', value: kind.value };
    case 'prefix':
      return { kind: 'prefix', value: kind.value, foldsCase: ignoreCase };
    case 'regex':
      return { kind: 'regex', pattern: kind.value };
    case undefined:
      throw new RangeError('a path condition without a kind that is known here');
  }
}

function fieldMatch({ name, match }: messages.FieldMatch, foldsName: boolean): FieldMatch {
  if (name === '') throw new RangeError('a condition on a field without name');
  return { name: foldsName ? name.toLowerCase() : name, match: textMatch(match) };
}

/** An absent condition is presence. */
function textMatch(message: messages.TextMatch | undefined): TextMatch {
  const kind = message?.kind;
  switch (kind?.case) {
    case 'exact':
      return { kind: 'exact', value: kind.value };
    case 'prefix':
      return { kind: 'prefix', value: kind.value };
    case 'regex':
      return { kind: 'regex', pattern: kind.value };
    case 'present':
      return { kind: 'present' };
    case undefined:
      if (message !== undefined) throw new RangeError('a condition on a text without a kind that is known here');
      return { kind: 'present' };
  }
}
