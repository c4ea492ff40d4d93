/** Golden decisions about retries: each word of `retryOn` against each end of an attempt. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { behaviourTables, requestsOf } from '@ambit/testing';

import { type FakeAttempt, FakeUpstreams } from '../request/test-support/fake-upstreams.ts';
import type { Lab } from '../request/test-support/lab.ts';
import { BehaviourLab } from './behaviour-lab.ts';

const perTryTimeoutMs = 1000;

/** Ends the attempt as the table's words say. */
function end(lab: Lab, attempt: FakeAttempt, words: string): void {
  const [kind = '', code = ''] = words.split(' ');
  switch (kind) {
    case 'connect-failure':
      return attempt.failToConnect();
    case 'connect-timeout':
      return attempt.failToConnect({ kind: 'timeout' });
    case 'connect-overflow':
      return attempt.failToConnect({ kind: 'overflow' });
  }
  attempt.connect();
  switch (kind) {
    case 'status':
      return attempt.answer(Number(code));
    case 'limited':
      return attempt.answer(Number(code), '', { 'x-envoy-ratelimited': 'true' });
    case 'overloaded':
      return attempt.answer(Number(code), '', { 'x-envoy-overloaded': 'true' });
    case 'grpc':
      return attempt.answer(200, '', { 'content-type': 'application/grpc', 'grpc-status': code });
    case 'refused':
    case 'reset':
    case 'lost':
    case 'protocol':
      return attempt.break(kind);
    case 'per-try-timeout':
      return lab.timers.advance(perTryTimeoutMs);
    default:
      assert.fail(`no end of an attempt is called ${words}`);
  }
}

let decisions = 0;

for (const table of behaviourTables('retries')) {
  const rig = new BehaviourLab(table);
  for (const { name, decisions: wanted } of table.entries) {
    const ends = Object.entries(wanted).flatMap(([outcome, list]) =>
      requestsOf(list).map(({ do: words }) => ({ words, isRetried: outcome === 'retried' })),
    );
    decisions += ends.length;
    test(`retries: ${name}`, () => {
      const wrong: string[] = [];
      for (const { words, isRetried } of ends) {
        const lab = rig.newLab(name, { do: '' }, new FakeUpstreams());
        const isGrpc = words.startsWith('grpc');
        const client = rig.send(lab, {
          do: isGrpc ? 'POST /shop.Shop/Get' : 'GET /',
          ...(isGrpc ? { headers: { 'content-type': 'application/grpc' } } : {}),
        });
        end(lab, lab.upstreams.last, words);
        lab.timers.advance(perTryTimeoutMs - 1);
        const attempts = lab.upstreams.attempts.length;
        if (attempts !== (isRetried ? 2 : 1)) wrong.push(`${words}: ${attempts} attempts`);
        if (isRetried && attempts === 2) lab.upstreams.last.connect().answer(200);
        // Where nobody limits an attempt, one that is not answered is no end.
        if (!client.isEnded) lab.upstreams.last.answer(200);
        lab.assertNothingHeld();
      }
      assert.deepEqual(wrong, []);
    });
  }
}

test('there are 600 decisions or more about retries', () => assert.ok(decisions >= 600, String(decisions)));
