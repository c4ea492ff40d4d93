import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeSpiffeId } from '@ambit/identity';
import { KubeError, type PlainObject } from '@ambit/kube';
import { ManualClock, systemClock } from '@ambit/runtime';
import { eventually } from '@ambit/testing';
import fc from 'fast-check';
import { NodeIndex } from './node-index.ts';
import { PodAssignments, type PodAssignmentsOptions } from './pod-assignments.ts';
import { type PodPlace, readPodPlace } from './pod-place.ts';
import { RequestBudget } from './request-budget.ts';

function pod(name: string, account: string, node: string, phase = 'Running'): PlainObject {
  return {
    metadata: { namespace: 'shop', name, uid: `uid-${name}`, resourceVersion: '1' },
    spec: { serviceAccountName: account, nodeName: node },
    status: { phase },
  };
}

const idOf = (serviceAccount: string) =>
  makeSpiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount });
const proxy = {
  identity: idOf('proxy'),
  method: 'token' as const,
  pod: { name: 'proxy-1', uid: 'uid-proxy-1', node: 'node1' },
};

interface Rig extends AsyncDisposable {
  readonly assignments: PodAssignments;
  /** Breaks the watch. */
  readonly breakWatch: () => void;
}

async function open(
  watched: readonly PlainObject[],
  fresh: Partial<PodAssignmentsOptions['client']> = {},
): Promise<Rig> {
  const ending = new AbortController();
  const broken = new AbortController();
  const failed = Promise.withResolvers<void>();
  const assignments = new PodAssignments({
    clock: systemClock,
    onError: () => failed.resolve(),
    client: {
      getPath: () => Promise.resolve({}),
      listPage: () => Promise.reject(new KubeError('BAD_REQUEST', 'lists are streamed here')),
      watch: async function* (_kind, { signal }) {
        if (broken.signal.aborted) throw new KubeError('UNREACHABLE', 'broken');
        const annotations = { 'k8s.io/initial-events-end': 'true' };
        yield [
          ...watched.map((object) => ({ type: 'ADDED', object })),
          { type: 'BOOKMARK', object: { metadata: { resourceVersion: '2', annotations } } },
        ];
        await new Promise<void>((resolve) => {
          for (const one of [signal, broken.signal]) one.addEventListener('abort', () => resolve(), { once: true });
        });
        throw new KubeError('UNREACHABLE', 'broken');
      },
      get: () => Promise.resolve(undefined),
      list: () => Promise.resolve([]),
      ...fresh,
    },
  });
  const running = assignments.run(ending.signal).catch(() => undefined);
  await assignments.synced;
  return {
    assignments,
    breakWatch: () => broken.abort(),
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await running;
      if (broken.signal.aborted) await failed.promise;
    },
  };
}

test('pods of the watch answer without a question', async () => {
  await using rig = await open([pod('proxy-1', 'proxy', 'node1'), pod('a', 'cart', 'node1'), pod('b', 'pay', 'node2')]);
  assert.equal(await rig.assignments.nodeOf(proxy), 'node1');
  assert.equal(await rig.assignments.hasPod('node1', idOf('cart')), true);
  assert.equal(rig.assignments.asked, 0);
  assert.equal(await rig.assignments.hasPod('node1', idOf('pay')), false);
  assert.equal(rig.assignments.asked, 1);
});

test('trap 37: pods the watch has not brought yet are asked for, and only on the node', async () => {
  const asked: unknown[] = [];
  await using rig = await open([], {
    get: (ref) => Promise.resolve(pod(ref.name, 'proxy', 'node1')),
    list: (_kind, options) => {
      asked.push(options);
      return Promise.resolve([
        pod('a', 'cart', 'node1'),
        pod('b', 'pay', 'node2'),
        pod('c', 'done', 'node1', 'Failed'),
      ]);
    },
  });
  assert.equal(await rig.assignments.nodeOf(proxy), 'node1');
  const answers = await Promise.all(['cart', 'pay', 'done'].map((one) => rig.assignments.hasPod('node1', idOf(one))));
  assert.deepEqual(answers, [true, false, false]);
  assert.deepEqual(asked[0], { namespace: 'shop', fieldSelector: 'spec.nodeName=node1' });
});

const impostors: readonly (readonly [string, PlainObject | undefined, RegExp])[] = [
  ['that does not exist', undefined, /does not exist/],
  [
    'that was replaced by one of the same name',
    { ...pod('proxy-1', 'proxy', 'node1'), metadata: { uid: 'x' } },
    /exist/,
  ],
  ['of another account', pod('proxy-1', 'other', 'node1'), /another service account/],
  ['without a node', pod('proxy-1', 'proxy', ''), /on no node/],
  ['of another node than its token', pod('proxy-1', 'proxy', 'node2'), /token is of another node/],
  ['that has failed', pod('proxy-1', 'proxy', 'node1', 'Failed'), /does not exist/],
];
for (const [name, object, reason] of impostors) {
  test(`a caller with a pod ${name} is refused`, async () => {
    await using rig = await open(object === undefined ? [] : [pod('x', 'x', 'x')], {
      get: () => Promise.resolve(object),
    });
    await assert.rejects(rig.assignments.nodeOf(proxy), { code: 'IMPERSONATION_REFUSED', message: reason });
  });
}

test('a caller in the watch is judged by the watch as much as by a question', async () => {
  await using rig = await open([pod('proxy-1', 'other', 'node1')]);
  await assert.rejects(rig.assignments.nodeOf(proxy), { message: /another service account/ });
});

test('while the watch is broken nothing it told is believed', async () => {
  await using rig = await open([pod('a', 'cart', 'node1'), pod('proxy-1', 'proxy', 'node1')]);
  assert.equal(await rig.assignments.hasPod('node1', idOf('cart')), true);
  rig.breakWatch();
  await eventually('it notices', () => rig.assignments.status.state !== 'watching');
  assert.equal(await rig.assignments.hasPod('node1', idOf('cart')), false);
  await assert.rejects(rig.assignments.nodeOf(proxy), { message: /does not exist/ });
});

test('an API server that cannot be asked refuses', async () => {
  await using rig = await open([], { list: () => Promise.reject(new KubeError('TIMEOUT', 'slow')) });
  await assert.rejects(rig.assignments.hasPod('node1', idOf('cart')), {
    code: 'IMPERSONATION_REFUSED',
    message: /slow/,
  });
});

test('a node that asks for what it has no right to runs out of questions, another one does not', async () => {
  await using rig = await open([]);
  const ask = (node: string) => rig.assignments.hasPod(node, idOf('cart'));
  for (let count = 0; count < 50; count += 1) assert.equal(await ask('node1'), false);
  await assert.rejects(
    (async () => {
      for (let count = 0; count < 50; count += 1) await ask('node1');
    })(),
    { code: 'IMPERSONATION_REFUSED', message: /too many questions/ },
  );
  assert.equal(await ask('node2'), false);
});

test('a budget fills again and full ones are forgotten', () => {
  const clock = new ManualClock();
  const budget = new RequestBudget(2, 1, clock);
  const take = (party = 'a'): boolean => budget.take(party);
  assert.deepEqual([take(), take(), take()], [true, true, false]);
  clock.advance(1_000);
  assert.deepEqual([take(), take()], [true, false]);
  clock.advance(60_000);
  for (let party = 0; party < 5_000; party += 1) take(String(party));
  assert.deepEqual([take(), take(), take()], [true, true, false]);
});

test('the index is what counting all pods gives', () => {
  const place = fc.record({
    namespace: fc.constantFrom('a', 'b'),
    name: fc.constantFrom('p', 'q', 'r'),
    uid: fc.constantFrom('1', '2'),
    serviceAccount: fc.constantFrom('s', 't'),
    node: fc.constantFrom('', 'n', 'm'),
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(place, fc.boolean())), (steps) => {
      const index = new NodeIndex();
      const pods = new Map<string, PodPlace>();
      for (const [next, isThere] of steps) {
        const key = `${next.namespace}/${next.name}`;
        index.change(pods.get(key), isThere ? next : undefined);
        if (isThere) pods.set(key, next);
        else pods.delete(key);
      }
      for (const node of ['', 'n', 'm']) {
        for (const namespace of ['a', 'b']) {
          for (const account of ['s', 't']) {
            const expected = [...pods.values()].some(
              (one) => one.node === node && one.namespace === namespace && one.serviceAccount === account,
            );
            assert.equal(index.has(node, namespace, account), expected && node !== '');
          }
        }
      }
    }),
  );
});

test('a pod that changes in nothing that matters stays the same record', () => {
  const first = readPodPlace(pod('a', 'cart', 'node1'));
  assert.equal(readPodPlace({ ...pod('a', 'cart', 'node1'), status: { phase: 'Pending' } }, first), first);
  assert.notEqual(readPodPlace(pod('a', 'cart', 'node2'), first), first);
  assert.equal(readPodPlace({ metadata: {}, spec: {} })?.serviceAccount, 'default');
});
