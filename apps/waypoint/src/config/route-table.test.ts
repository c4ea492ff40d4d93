import assert from 'node:assert/strict';
import { test } from 'node:test';

import { route as messages } from '@ambit/api';
import type { RoutedRequest } from '@ambit/routing';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';

import { compileRoute } from './compile-route.ts';
import { Problems } from './problems.ts';
import type { CompiledRoute } from './route.ts';
import { RouteTable } from './route-table.ts';

type MatchShape = MessageInitShape<typeof messages.HttpMatchSchema>;

function routeOf(name: string, matches: readonly MatchShape[]): CompiledRoute {
  const action = { case: 'directResponse' as const, value: { status: 200 } };
  const message = create(messages.HttpRouteSchema, { name, matches: [...matches], action });
  return compileRoute(message, name, new Problems());
}

function requestTo(path: string, header = ''): RoutedRequest {
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'a',
    path,
    query: '',
    header: (name) => (name === 'x' && header !== '' ? header : undefined),
    claim: () => [],
  };
}

/** What the words of the contract say: every match of every route, in order. */
function firstInOrder(routes: readonly CompiledRoute[], request: RoutedRequest): string | undefined {
  return routes.find(({ tests }) => tests.length === 0 || tests.some((one) => one.matches(request)))?.name;
}

test('a table of any size finds what looking at each route in order finds', () => {
  const segment = fc.constantFrom('a', 'b', 'ab', 'c', '');
  const path = fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => `/${segments.join('/')}`);
  const kind = fc.oneof(
    path.map((value) => ({ case: 'exact' as const, value })),
    path.map((value) => ({ case: 'segments' as const, value })),
    path.map((value) => ({ case: 'prefix' as const, value })),
    path.map((value) => ({ case: 'regex' as const, value: `${value}.?` })),
  );
  const match = fc
    .record({ kind, ignoreCase: fc.boolean(), header: fc.constantFrom('', 'one', 'two') })
    .map(({ kind: of, ignoreCase, header }): MatchShape => ({
      path: { kind: of, ignoreCase },
      headers: header === '' ? [] : [{ name: 'x', match: { kind: { case: 'exact', value: header } } }],
    }));
  const routes = fc
    .array(fc.array(match, { maxLength: 3 }), { maxLength: 40 })
    .map((list) => list.map((matches, i) => routeOf(String(i), matches)));
  const request = fc.tuple(path, fc.constantFrom('', 'one', 'two', 'three'));
  fc.assert(
    fc.property(routes, fc.array(request, { minLength: 1, maxLength: 10 }), (list, requests) => {
      const table = new RouteTable(list);
      for (const [target, header] of requests) {
        const asked = requestTo(target, header);
        assert.equal(table.find(asked)?.route.name, firstInOrder(list, asked));
      }
    }),
    { seed: 7, numRuns: 400 },
  );
});

test('the match that was found says what of the path it took', () => {
  const list = Array.from({ length: 50 }, (_, i) =>
    routeOf(`r${i}`, [{ path: { kind: { case: 'segments', value: `/api/${i}/` } } }]),
  );
  const table = new RouteTable(list);
  assert.equal(table.find(requestTo('/api/7/x'))?.matched?.prefixLength, '/api/7'.length);
  assert.equal(table.find(requestTo('/api/7'))?.route.name, 'r7');
  assert.equal(table.find(requestTo('/api/77')), undefined);
});
