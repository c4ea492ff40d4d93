import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPods, isEnrolled } from '../cluster/pod-facts.ts';
import { readAccessLog } from './access-log.ts';
import { describeLoad, isWithoutLoss, type LoadFigures } from './load.ts';

test('pods that are being deleted are left out, restarts and annotations are read', () => {
  const pod = (name: string, more: object): object => ({ metadata: { name, ...more }, spec: {}, status: {} });
  const pods = readPods(
    JSON.stringify({
      items: [
        pod('gone', { deletionTimestamp: 'now' }),
        {
          metadata: { name: 'web', annotations: { 'ambient.istio.io/redirection': 'enabled' } },
          spec: { nodeName: 'node1' },
          status: {
            phase: 'Running',
            conditions: [{ type: 'Ready', status: 'True' }],
            containerStatuses: [{ restartCount: 2 }, { restartCount: 1, state: { waiting: { reason: 'CrashLoop' } } }],
          },
        },
      ],
    }),
  );
  assert.equal(pods.length, 1);
  assert.partialDeepStrictEqual(pods[0], {
    name: 'web',
    node: 'node1',
    restarts: 3,
    isReady: true,
    state: 'Running CrashLoop',
  });
  assert.ok(pods[0] && isEnrolled(pods[0]));
});

test('a load without a single answer is no proof', () => {
  const requests = { ok: 0, failed: 0, slowestMs: 0, failures: {} };
  const figures: LoadFigures = { fresh: requests, kept: requests, held: { broken: 0, words: 0, failures: {} } };
  assert.equal(isWithoutLoss(figures), false);
  const some = {
    fresh: { ...requests, ok: 1 },
    kept: { ...requests, ok: 1 },
    held: { broken: 0, words: 1, failures: {} },
  };
  assert.equal(isWithoutLoss(some), true);
  assert.match(
    describeLoad({ ...some, held: { broken: 1, words: 1, failures: { closed: 1 } } }),
    /1 broken \(1 closed\)/,
  );
});

test('only lines of the access log are read', () => {
  const log = '{"scope":"access","src.identity":"spiffe://a"}\nplain text\n{"scope":"xds"}\n';
  assert.deepEqual(
    readAccessLog(log).map((line) => line.get('src.identity')),
    ['spiffe://a'],
  );
});
