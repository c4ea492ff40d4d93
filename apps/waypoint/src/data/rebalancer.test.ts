import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventLoop } from '@ambit/net';
import { seededRandom } from '@ambit/testing';
import { type LiveConnection, LiveConnections } from './live-connection.ts';
import { movedShare, Rebalancer } from './rebalancer.ts';

test('the part that moves leaves an old replica little more than the mean, and gives a new one most of it', () => {
  for (const [before, now] of [
    [1, 2],
    [1, 3],
    [2, 3],
    [3, 10],
    [10, 11],
    [100, 101],
  ] as const) {
    const part = movedShare(before, now);
    const old = ((1 - part) * now) / before + part;
    assert.ok(part >= 0.8 && part < 1, `${before} to ${now}: ${part} of the mean for a new one`);
    assert.ok(old <= 1.06, `${before} to ${now}: ${old} times the mean for an old one`);
  }
});

test('nothing moves when replicas go, stay, or are counted for the first time', () => {
  for (const [before, now] of [
    [3, 2],
    [2, 2],
    [0, 5],
    [2, 0],
  ] as const) {
    assert.equal(movedShare(before, now), 0);
  }
});

test('connections leave one after the other', () => {
  using loop = new EventLoop();
  const live = new LiveConnections();
  let left = 0;
  for (let i = 0; i < 1000; i++) {
    const connection: LiveConnection = {
      activeExchanges: 0,
      drain: () => assert.fail('it is no drain'),
      leave: () => void (left += 1),
      close: () => assert.fail('nobody is cut off'),
    };
    live.add(connection);
  }
  let replicas = 1;
  const told: (readonly number[])[] = [];
  const rebalancer = new Rebalancer({
    loop,
    live,
    replicas: () => replicas,
    random: seededRandom(1),
    onMoving: (...facts) => told.push(facts),
  });
  rebalancer.look();
  replicas = 2;
  rebalancer.look();
  const [facts = []] = told;
  const count = facts[2] ?? 0;
  assert.ok(count > 900 && count < 1000, `${count}`);
  assert.ok(left > 0 && left <= 10, `${left} at once`);
  let atOnce = 0;
  for (const endMs = performance.now() + 10_000; left <= 20 && performance.now() < endMs;) {
    const before = left;
    loop.runOnce(200);
    atOnce = Math.max(atOnce, left - before);
  }
  assert.ok(left > 20, `${left} have left`);
  assert.ok(atOnce <= 10, `${atOnce} at once`);
  // The load is still that of one replica: a third one is given its part from there.
  replicas = 3;
  rebalancer.look();
  assert.deepEqual(told[1]?.slice(0, 2), [1, 3]);
});
