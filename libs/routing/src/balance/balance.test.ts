import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  type BalancedEndpoint,
  type Balancer,
  defaultOutlierRules,
  hashText,
  maglevBalancer,
  OutlierEjector,
  ringBalancer,
  simpleBalancer,
  slowStartFactor,
} from '../index.ts';

function endpoints(...weights: readonly number[]): BalancedEndpoint[] {
  return weights.map((weight, i) => ({ id: `e${i}`, weight, knownSinceMs: 0, activeRequests: 0 }));
}

/** Seeded, even enough for shares of a few percent. */
function seeded(seed = 1): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const all = (): boolean => true;

function shares(
  balancer: Balancer,
  picks: number,
  hash: (i: number) => number | undefined = () => undefined,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i < picks; i++) {
    const id = balancer.pick(hash(i), all)?.id ?? 'none';
    counts.set(id, (counts.get(id) ?? 0) + 1 / picks);
  }
  return counts;
}

function near(actual: number | undefined, expected: number, tolerance: number): void {
  assert.ok(Math.abs((actual ?? 0) - expected) <= tolerance, `${actual} is not ${expected} +- ${tolerance}`);
}

test('each algorithm keeps to the weights and leaves out weight 0', () => {
  const random = seeded();
  for (const algorithm of ['round-robin', 'random'] as const) {
    const counts = shares(simpleBalancer({ endpoints: endpoints(1, 3, 0), algorithm, random }), 4000);
    near(counts.get('e0'), 0.25, 0.03);
    near(counts.get('e1'), 0.75, 0.03);
    assert.equal(counts.get('e2'), undefined);
  }
  const even = shares(simpleBalancer({ endpoints: endpoints(1, 1, 1, 1), algorithm: 'least-request', random }), 4000);
  for (const id of ['e0', 'e1', 'e2', 'e3']) near(even.get(id), 0.25, 0.04);
});

test('least request avoids the busy endpoint, round robin takes turns', () => {
  const busy = endpoints(1, 1);
  const [first] = busy;
  assert.ok(first);
  first.activeRequests = 50;
  const picks = shares(simpleBalancer({ endpoints: busy, algorithm: 'least-request', random: seeded() }), 200);
  assert.equal(picks.size, 1);
  near(picks.get('e1'), 1, 0.001);
  const robin = simpleBalancer({ endpoints: endpoints(1, 1, 1), algorithm: 'round-robin', random: seeded() });
  assert.deepEqual(
    Array.from({ length: 6 }, () => robin.pick(undefined, all)?.id),
    ['e0', 'e1', 'e2', 'e0', 'e1', 'e2'],
  );
});

test('unusable endpoints are never picked, and none is picked if all are', () => {
  for (const make of [
    () => simpleBalancer({ endpoints: endpoints(1, 1, 1), algorithm: 'least-request', random: seeded() }),
    () => simpleBalancer({ endpoints: endpoints(1, 1, 1), algorithm: 'round-robin', random: seeded() }),
    () => simpleBalancer({ endpoints: endpoints(1, 1, 1), algorithm: 'random', random: seeded() }),
    () => ringBalancer({ endpoints: endpoints(1, 1, 1), random: seeded() }),
    () => maglevBalancer({ endpoints: endpoints(1, 1, 1), random: seeded() }),
  ]) {
    const balancer = make();
    for (let i = 0; i < 200; i++) assert.equal(balancer.pick(i * 7919, ({ id }) => id === 'e1')?.id, 'e1');
    assert.equal(
      balancer.pick(1, () => false),
      undefined,
    );
    assert.equal(simpleBalancer({ endpoints: [], algorithm: 'random', random: seeded() }).pick(1, all), undefined);
  }
});

test('consistent hashing sends a key to one endpoint, and moves few keys when one goes', () => {
  for (const make of [ringBalancer, maglevBalancer]) {
    const ten = endpoints(...Array.from({ length: 10 }, () => 1));
    const whole = make({ endpoints: ten, random: seeded() });
    const without = make({ endpoints: ten.slice(1), random: seeded() });
    let moved = 0;
    const keys = 5000;
    for (let i = 0; i < keys; i++) {
      const hash = hashText(`key${i}`);
      const before = whole.pick(hash, all)?.id;
      assert.equal(whole.pick(hash, all)?.id, before);
      if (before !== 'e0' && without.pick(hash, all)?.id !== before) moved += 1;
    }
    assert.ok(moved / keys < 0.06, `${make.name}: ${moved} of ${keys} keys of others moved`);
    for (const share of shares(whole, keys, (i) => hashText(`key${i}`)).values()) near(share, 0.1, 0.06);
  }
});

test('hash tables follow weights, and a missing key is random', () => {
  for (const make of [ringBalancer, maglevBalancer]) {
    const balancer = make({ endpoints: endpoints(1, 3), random: seeded() });
    near(shares(balancer, 4000, (i) => hashText(`k${i}`)).get('e1'), 0.75, 0.06);
    near(shares(balancer, 2000).get('e1'), 0.5, 0.06);
  }
});

test('slow start lets a new endpoint in by its age', () => {
  let now = 0;
  const factor = slowStartFactor({ durationMs: 1000, minimumPercent: 10, aggression: 1 }, () => now);
  const [endpoint] = endpoints(1);
  assert.ok(endpoint);
  const at = (ms: number): number => {
    now = ms;
    return factor(endpoint);
  };
  assert.deepEqual([at(0), at(50), at(500), at(1000), at(5000)], [0.1, 0.1, 0.5, 1, 1]);
});

test('consecutive errors eject, success resets, time brings back, longer each time', () => {
  const ejector = new OutlierEjector({ ...defaultOutlierRules, maxEjectionPercent: 100 });
  const fail = (nowMs: number, times: number): boolean[] =>
    Array.from({ length: times }, () => ejector.note('a', { kind: 'response', status: 503 }, 2, nowMs));
  assert.deepEqual(fail(0, 4), [false, false, false, false]);
  ejector.note('a', { kind: 'response', status: 200 }, 2, 0);
  assert.deepEqual(fail(0, 5), [false, false, false, false, true]);
  assert.equal(ejector.isUsable('a', 2), false);
  assert.equal(ejector.isUsable('b', 2), true);
  ejector.sweep(29_999);
  assert.equal(ejector.isUsable('a', 2), false);
  ejector.sweep(40_000);
  assert.equal(ejector.isUsable('a', 2), true);
  assert.equal(fail(40_000, 5).at(-1), true);
  ejector.sweep(99_000);
  assert.equal(ejector.isUsable('a', 2), false);
  ejector.sweep(110_000);
  assert.equal(ejector.isUsable('a', 2), true);
});

test('no more than the share of endpoints is ejected, but always one', () => {
  const ejector = new OutlierEjector({ ...defaultOutlierRules, consecutive5xx: 1, maxEjectionPercent: 30 });
  const ids = Array.from({ length: 10 }, (_, i) => `e${i}`);
  for (const id of ids) ejector.note(id, { kind: 'local' }, 10, 0);
  assert.equal(ejector.ejectedCount, 3);
  const single = new OutlierEjector({ ...defaultOutlierRules, consecutive5xx: 1 });
  assert.equal(single.note('a', { kind: 'local' }, 2, 0), true);
  ejector.keepOnly(new Set(ids.slice(5)));
  assert.equal(ejector.ejectedCount, 0);
});

test('listed statuses count as errors instead of 5xx, and an unlisted one is a success', () => {
  const errorCodes = new Set([401, 503]);
  const rules = { ...defaultOutlierRules, maxEjectionPercent: 100, errorCodes };
  const notes = (one: OutlierEjector, ...statuses: readonly number[]): boolean[] =>
    statuses.map((status) => one.note('a', { kind: 'response', status }, 2, 0));
  const fivefold = new OutlierEjector({ ...rules, consecutive5xx: 2 });
  assert.deepEqual(notes(fivefold, 500, 500, 401, 500, 401, 503), [false, false, false, false, false, true]);
  const gateway = new OutlierEjector({ ...rules, consecutive5xx: 0, consecutiveGatewayErrors: 2 });
  assert.deepEqual(notes(gateway, 502, 502, 401, 401, 503, 503), [false, false, false, false, false, true]);
  const local = new OutlierEjector({ ...rules, consecutive5xx: 1 });
  assert.equal(local.note('a', { kind: 'local' }, 2, 0), true, 'no answer is a failure whatever is listed');
});

test('local failures count apart when they are split, and panic uses everybody', () => {
  const split = new OutlierEjector({ ...defaultOutlierRules, splitsLocalFailures: true, consecutiveLocalFailures: 2 });
  assert.equal(split.note('a', { kind: 'local' }, 1, 0), false);
  assert.equal(split.note('a', { kind: 'local' }, 1, 0), true);
  const panic = new OutlierEjector({
    ...defaultOutlierRules,
    consecutive5xx: 1,
    maxEjectionPercent: 100,
    minHealthPercent: 50,
  });
  panic.note('a', { kind: 'local' }, 3, 0);
  assert.equal(panic.isUsable('a', 3), false);
  panic.note('b', { kind: 'local' }, 3, 0);
  assert.equal(panic.isUsable('a', 3), true);
});
