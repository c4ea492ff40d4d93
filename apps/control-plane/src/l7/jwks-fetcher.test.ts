import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { BlockList } from 'node:net';
import { test } from 'node:test';
import { Graph, SourceCollection } from '@ambit/collections';
import { eventually } from '@ambit/testing';
import type { KeyFailure } from '../derive/key-failure.ts';
import { JwksFetcher } from './jwks-fetcher.ts';
import { type KeyPlace, type KeySource, keySourceOf } from './jwks-source.ts';

const keys = '{"keys":[{"kty":"EC","kid":"a"}]}';

/** A fetcher beside a server that answers so. */
async function open(answer: RequestListener, blocked: BlockList | undefined = new BlockList()) {
  const stack = new AsyncDisposableStack();
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.defer(() => new Promise<void>((resolve) => server.close(() => resolve())));
  stack.defer(() => server.closeAllConnections());
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  const graph = new Graph();
  const places = new SourceCollection<KeyPlace>(graph, 'places', ({ key }) => key);
  const found = new SourceCollection<KeySource>(graph, 'keys', ({ key }) => key);
  const failures = new SourceCollection<KeyFailure>(graph, 'failures', ({ key }) => key);
  const warnings: string[] = [];
  const log = { warn: (fields: object, message: string) => void warnings.push(`${message} ${JSON.stringify(fields)}`) };
  stack.use(
    new JwksFetcher({ graph, places, keys: found, failures, log, ...(blocked === undefined ? {} : { blocked }) }),
  );
  const want = (place: KeyPlace | undefined): void => {
    if (place !== undefined) graph.update(() => places.set(place));
  };
  const until = async (condition: () => boolean): Promise<void> => {
    await eventually(condition.toString(), condition);
  };
  return {
    url,
    graph,
    places,
    found,
    failures,
    warnings,
    want,
    until,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const rule = { issuer: 'x', jwks: undefined, timeoutMs: undefined };

test('keys are fetched from the address that a rule names, and forgotten when nobody asks any more', async () => {
  await using rig = await open((_request, response) => response.end(keys));
  const place = keySourceOf({ ...rule, jwksUri: `${rig.url}/keys` });
  rig.want(place);
  await rig.until(() => rig.found.get(place?.key ?? '')?.jwks === keys);
  rig.graph.update(() => rig.places.delete(place?.key ?? ''));
  await rig.until(() => rig.found.size === 0);
});

test('without an address the issuer is asked for it', async () => {
  await using rig = await open((request, response) => {
    const isDiscovery = request.url === '/.well-known/openid-configuration';
    response.end(isDiscovery ? JSON.stringify({ jwks_uri: `${rig.url}/k` }) : keys);
  });
  rig.want(keySourceOf({ ...rule, issuer: rig.url, jwksUri: undefined }));
  await rig.until(() => rig.found.size === 1);
  assert.deepEqual(
    [...rig.found.values()].map(({ jwks }) => jwks),
    [keys],
  );
});

test('an issuer that is no address has no place to ask', () => {
  assert.equal(keySourceOf({ ...rule, issuer: 'someone@example.com', jwksUri: undefined }), undefined);
});

const bad: readonly (readonly [claim: string, answer: RequestListener, reason: RegExp])[] = [
  ['an error', (_request, response) => response.writeHead(500).end(), /answered 500/],
  ['something that is no JWKS', (_request, response) => response.end('{"key":1}'), /no JWKS/],
  ['no JSON', (_request, response) => response.end('<html>'), /JSON/],
  ['more than a mebibyte', (_request, response) => response.end('x'.repeat(2 ** 20 + 1)), /more than 1048576 bytes/],
  ['a redirect', (_request, response) => response.writeHead(302, { location: '/other' }).end(), /answered 302/],
];
for (const [claim, answer, reason] of bad) {
  test(`no keys, and a warning, when the answer is ${claim}`, async () => {
    await using rig = await open(answer);
    rig.want(keySourceOf({ ...rule, jwksUri: `${rig.url}/keys` }));
    await rig.until(() => rig.warnings.length > 0);
    assert.match(rig.warnings[0] ?? '', reason);
    assert.match(rig.warnings[0] ?? '', /every token is refused/);
    assert.equal(rig.found.size, 0);
  });
}

test('an answer that does not come in time is a failure', async () => {
  await using rig = await open(() => undefined);
  rig.want(keySourceOf({ ...rule, jwksUri: `${rig.url}/keys`, timeoutMs: 30 }));
  await rig.until(() => rig.warnings.length > 0);
  assert.equal(rig.found.size, 0);
});

test('keys that were fetched once stay in force when they cannot be fetched again', async () => {
  let isBroken = false;
  await using rig = await open((_request, response) => (isBroken ? response.writeHead(503).end() : response.end(keys)));
  const place = keySourceOf({ ...rule, jwksUri: `${rig.url}/keys` });
  rig.want(place);
  await rig.until(() => rig.found.size === 1);
  isBroken = true;
  // A changed rule asks again at once, as a refresh would.
  rig.want(place === undefined ? undefined : { ...place, timeoutMs: 4_000 });
  await rig.until(() => rig.warnings.length > 0);
  assert.match(rig.warnings[0] ?? '', /the last keys stay in force/);
  assert.equal(rig.found.get(place?.key ?? '')?.jwks, keys);
});

test('what fails twice in a row is told without its address, until it succeeds', async () => {
  const answers = [500, 502, 200];
  const asked: number[] = [];
  await using rig = await open((_request, response) => {
    const status = answers[asked.length] ?? 500;
    asked.push(status);
    response.writeHead(status).end(keys);
  });
  const told: string[] = [];
  rig.failures.subscribe((changes) => {
    for (const change of changes)
      told.push(change.kind === 'delete' ? 'gone' : `${change.item.host} ${change.item.reason} ${change.item.hasKeys}`);
  });
  const place = keySourceOf({ ...rule, jwksUri: `${rig.url}/keys?secret=1` });
  rig.want(place);
  await rig.until(() => asked.length === 3 && rig.found.size === 1);
  assert.equal(told.length, 2, told.join());
  assert.match(told[0] ?? '', /^(127\.0\.0\.1:\d+) \1 answered 502 false$/);
  assert.doesNotMatch(told[0] ?? '', /secret/);
  assert.equal(told[1], 'gone');
});
