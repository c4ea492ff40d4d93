import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/runtime';
import fc from 'fast-check';
import { claimedExpiryMs, readTokenReview } from './reviewed-token.ts';
import { TokenReviewer, type TokenReviewerOptions } from './token-review.ts';

const audiences = ['istio-ca'];
const startMs = Date.UTC(2026, 0, 1);

function tokenOf(claims: unknown, label = 'x'): string {
  return `${label}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.sig`;
}

const token = (lifeMs = 3_600_000, label = 'x'): string => tokenOf({ exp: (startMs + lifeMs) / 1000 }, label);

function answer(status: Record<string, unknown> = {}, user: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    kind: 'TokenReview',
    status: {
      authenticated: true,
      audiences: ['istio-ca'],
      user: {
        username: 'system:serviceaccount:istio-system:ztunnel',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:istio-system', 'system:authenticated'],
        extra: {
          'authentication.kubernetes.io/pod-name': ['ztunnel-abc'],
          'authentication.kubernetes.io/pod-uid': ['u-1'],
          'authentication.kubernetes.io/node-name': ['node1'],
          'authentication.kubernetes.io/credential-id': ['JTI=1'],
        },
        ...user,
      },
      ...status,
    },
  };
}

interface Rig {
  readonly reviewer: TokenReviewer;
  readonly clock: ManualClock;
  readonly sent: unknown[];
}

function rig(reply: (call: number) => unknown, options: Partial<TokenReviewerOptions> = {}): Rig {
  const clock = new ManualClock(startMs);
  const sent: unknown[] = [];
  const client = {
    post: async (path: string, body: unknown): Promise<unknown> => {
      assert.equal(path, '/apis/authentication.k8s.io/v1/tokenreviews');
      sent.push(body);
      return reply(sent.length);
    },
  };
  return { reviewer: new TokenReviewer({ client, audiences, clock, ...options }), clock, sent };
}

test('an accepted token names account, pod and node, and the audience was asked for', async () => {
  const { reviewer, sent } = rig(() => answer());
  const verdict = await reviewer.verify(`Bearer ${token()}`);
  assert.deepEqual(verdict, {
    kind: 'verified',
    namespace: 'istio-system',
    serviceAccount: 'ztunnel',
    pod: { name: 'ztunnel-abc', uid: 'u-1', node: 'node1' },
  });
  assert.deepEqual(sent, [
    { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token: token(), audiences } },
  ]);
});

test('a token without pod extras is accepted as bound to nothing, and half a binding is none', async () => {
  for (const extra of [
    undefined,
    {},
    { 'authentication.kubernetes.io/pod-name': ['p'] },
    { 'authentication.kubernetes.io/pod-name': ['p', 'q'], 'authentication.kubernetes.io/pod-uid': ['u'] },
  ]) {
    const { reviewer } = rig(() => answer({}, { extra }));
    const verdict = await reviewer.verify(`Bearer ${token()}`);
    assert.deepEqual([verdict.kind, verdict.kind === 'verified' ? verdict.pod : 'x'], ['verified', undefined]);
  }
});

const refusals: readonly (readonly [string, unknown, RegExp])[] = [
  ['not authenticated', answer({ authenticated: false }), /does not accept/],
  ['authenticated as text', answer({ authenticated: 'true' }), /does not accept/],
  ['another audience', answer({ audiences: ['vault'] }), /not meant for istio-ca/],
  ['no audiences', answer({ audiences: undefined }), /not meant for istio-ca/],
  ['a person', answer({}, { username: 'alice' }), /no service account/],
  ['a name with five parts', answer({}, { username: 'system:serviceaccount:a:b:c' }), /no service account/],
  ['a name with a slash', answer({}, { username: 'system:serviceaccount:a/b:c' }), /no service account/],
  ['no group', answer({}, { groups: ['system:authenticated'] }), /group of service accounts/],
  ['no user', { status: { authenticated: true, audiences } }, /no service account/],
  ['no status', {}, /no status/],
  ['nothing', undefined, /no status/],
];

for (const [name, reply, reason] of refusals) {
  test(`an answer with ${name} refuses`, async () => {
    const verdict = await rig(() => reply).reviewer.verify(`Bearer ${token()}`);
    assert.match(verdict.kind === 'refused' ? verdict.reason : 'accepted', reason);
  });
}

test('what cannot be a live service account token never reaches the API server', async () => {
  const { reviewer, sent } = rig(() => answer());
  const headers = [
    undefined,
    '',
    'Basic abc',
    'Bearer ',
    'Bearer a.b.c',
    `Bearer ${token(-1000)}`,
    `Bearer ${tokenOf({})}`,
    `Bearer ${token()}.more`,
    `Bearer ${tokenOf({ exp: 'soon' })}`,
    `Bearer ${token()}${'x'.repeat(20_000)}`,
  ];
  for (const header of headers) assert.equal((await reviewer.verify(header)).kind, 'refused', header ?? 'none');
  assert.deepEqual(sent, []);
});

test('an accepted token is reviewed again after ten seconds, a refused one after one', async () => {
  let reply = answer({ authenticated: false });
  const { reviewer, clock, sent } = rig(() => reply);
  const kind = async (): Promise<string> => (await reviewer.verify(`Bearer ${token()}`)).kind;
  assert.deepEqual([await kind(), await kind(), sent.length], ['refused', 'refused', 1]);
  clock.advance(1_000);
  reply = answer();
  assert.deepEqual([await kind(), await kind(), sent.length], ['verified', 'verified', 2]);
  clock.advance(9_999);
  assert.deepEqual([await kind(), sent.length], ['verified', 2]);
  clock.advance(1);
  reply = answer({ authenticated: false });
  assert.deepEqual([await kind(), sent.length], ['refused', 3]);
  assert.deepEqual(reviewer.counts, { reviews: 3, failures: 0, remembered: 3 });
});

test('an accepted token is not remembered beyond its own expiry', async () => {
  const { reviewer, clock, sent } = rig(() => answer());
  await reviewer.verify(`Bearer ${token(4_000)}`);
  clock.advance(4_000);
  assert.deepEqual(await reviewer.verify(`Bearer ${token(4_000)}`), {
    kind: 'refused',
    reason: 'the token has expired',
  });
  assert.equal(sent.length, 1);
});

test('calls with one token at the same time share one review', async () => {
  const { reviewer, sent } = rig(() => answer());
  const verdicts = await Promise.all(Array.from({ length: 8 }, () => reviewer.verify(`Bearer ${token()}`)));
  assert.deepEqual([verdicts.length, sent.length], [8, 1]);
});

test('an API server that fails refuses, is not remembered, and its message holds no token', async () => {
  const { reviewer, sent } = rig((call) => {
    if (call === 1) throw new Error(`bad request with ${token()}`);
    return answer();
  });
  const verdict = await reviewer.verify(`Bearer ${token()}`);
  assert.deepEqual(verdict, {
    kind: 'refused',
    reason: 'the API server did not review the token: bad request with <token>',
  });
  assert.equal((await reviewer.verify(`Bearer ${token()}`)).kind, 'verified');
  assert.deepEqual([sent.length, reviewer.counts.failures], [2, 1]);
});

test('at most 64 reviews run at once and the others wait for their turn', async () => {
  let running = 0;
  let most = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const client = {
    post: async (): Promise<unknown> => {
      most = Math.max(most, (running += 1));
      await promise;
      running -= 1;
      return answer();
    },
  };
  const reviewer = new TokenReviewer({ client, audiences, clock: new ManualClock(startMs) });
  const all = Array.from({ length: 300 }, (_, index) => reviewer.verify(`Bearer ${token(60_000, String(index))}`));
  resolve();
  assert.ok((await Promise.all(all)).every(({ kind }) => kind === 'verified'));
  assert.deepEqual([most, running], [64, 0]);
});

test('a flood of different tokens is refused beyond the queue instead of growing without bound', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const client = { post: (): Promise<unknown> => promise.then(() => answer()) };
  const reviewer = new TokenReviewer({ client, audiences, clock: new ManualClock(startMs) });
  const all = Array.from({ length: 9_000 }, (_, index) => reviewer.verify(`Bearer ${token(60_000, String(index))}`));
  resolve();
  const kinds = (await Promise.all(all)).map(({ kind }) => kind);
  assert.equal(kinds.filter((kind) => kind === 'refused').length, 9_000 - 64 - 8_192);
});

test('no answer and no token makes the readers throw', () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      const result = readTokenReview(value, audiences);
      assert.equal(typeof result, 'string');
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => void claimedExpiryMs(text)));
});
