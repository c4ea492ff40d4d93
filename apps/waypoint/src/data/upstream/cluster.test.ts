import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@ambit/testing';
import { EventLoop } from '@ambit/net';
import { HbonePool } from '@ambit/hbone';
import { defaultOutlierRules } from '@ambit/routing';
import { defaultTrafficPolicy, type TrafficPolicy } from '../../config/traffic-policy.ts';
import type { UpstreamChoiceFacts } from '../../request/upstream.ts';
import { Cluster, type EndpointTurn } from './cluster.ts';
import type { EndpointFacts } from './cluster-endpoint.ts';
import { RevocableChannels } from './revocable-channel.ts';

const facts: UpstreamChoiceFacts = {
  hash: undefined,
  triedEndpoints: [],
  clientProtocol: 'HTTP/1.1',
  isUpgrade: false,
  originalAddress: '10.0.0.1',
  originalPort: 80,
  requestHost: 'web',
};

function endpoint(id: string, rank = 0, share?: EndpointFacts['share']): EndpointFacts {
  const socketAddress = { address: `10.0.0.${id.charCodeAt(0)}`, port: 8080 };
  return { id, socketAddress, route: { kind: 'plain' }, workload: undefined, weight: 1, rank, share };
}

class ClusterRig implements Disposable {
  readonly loop = new EventLoop();
  readonly cluster: Cluster;

  constructor(policy: Partial<TrafficPolicy>, endpoints: readonly EndpointFacts[]) {
    const never = (): never => assert.fail('no connection is made here');
    this.cluster = new Cluster('shop/web/80/', {
      loop: this.loop,
      hbone: new HbonePool({ loop: this.loop }),
      identity: 'spiffe://cluster.local/ns/shop/sa/waypoint',
      instanceIp: '',
      peerHbonePort: 15_008,
      ownTls: () => undefined,
      secured: new RevocableChannels(),
      random: seededRandom(1),
      connectHttp1: never,
      connectHttp2: never,
    });
    this.update(policy, endpoints);
  }

  update(policy: Partial<TrafficPolicy>, endpoints: readonly EndpointFacts[]): void {
    const whole = { ...defaultTrafficPolicy, ...policy };
    this.cluster.update({ policy: whole, protocol: 'http', serviceHostname: 'web', endpoints });
  }

  take(over: Partial<UpstreamChoiceFacts> = {}): EndpointTurn {
    const turn = this.cluster.choose({ ...facts, ...over });
    assert.ok(turn.kind === 'endpoint', turn.kind);
    return turn;
  }

  /** How often each endpoint is chosen. */
  shares(count: number): Readonly<Record<string, number>> {
    const shares: Record<string, number> = {};
    for (let i = 0; i < count; i++) {
      const turn = this.take();
      shares[turn.endpoint.id] = (shares[turn.endpoint.id] ?? 0) + 1;
      turn.release({ kind: 'response', status: 200 });
    }
    return shares;
  }

  [Symbol.dispose](): void {
    this.loop[Symbol.dispose]();
  }
}

test('without endpoints nobody is chosen', () => {
  using rig = new ClusterRig({}, []);
  assert.deepEqual(rig.cluster.choose(facts), { kind: 'no-endpoint' });
});

test('the nearest take everything as long as they are well', () => {
  using rig = new ClusterRig({}, [endpoint('a', 2), endpoint('b', 2), endpoint('c', 1)]);
  assert.deepEqual(Object.keys(rig.shares(200)).toSorted(), ['a', 'b']);
});

test('ejected endpoints get nothing, and their share goes to the next group', () => {
  const outliers = { ...defaultOutlierRules, consecutive5xx: 2, maxEjectionPercent: 100 };
  using rig = new ClusterRig({ outliers }, [endpoint('a', 2), endpoint('b', 2), endpoint('c', 1)]);
  for (let i = 0; i < 2; i++) {
    for (let left = 20; left > 0; left--) {
      const turn = rig.take();
      turn.release(turn.endpoint.id === 'a' ? { kind: 'response', status: 503 } : { kind: 'canceled' });
      if (turn.endpoint.id === 'a') break;
    }
  }
  const shares = rig.shares(1000);
  assert.equal(shares['a'], undefined);
  // Half of the group is left: 70 % of the traffic, as Envoy counts.
  assert.ok((shares['b'] ?? 0) > 620 && (shares['b'] ?? 0) < 780, JSON.stringify(shares));
  assert.ok((shares['c'] ?? 0) > 220);
});

test('an attempt goes to another endpoint than those before, as long as there is one', () => {
  using rig = new ClusterRig({}, [endpoint('a'), endpoint('b')]);
  for (let i = 0; i < 50; i++) assert.equal(rig.take({ triedEndpoints: ['a'] }).endpoint.id, 'b');
  assert.ok(rig.take({ triedEndpoints: ['a', 'b'] }));
});

test('a limit of requests is a limit, and what is given back can be taken', () => {
  const limits = { ...defaultTrafficPolicy.limits, maxRequests: 2 };
  using rig = new ClusterRig({ limits }, [endpoint('a')]);
  const first = rig.take();
  rig.take();
  assert.deepEqual(rig.cluster.choose(facts), { kind: 'overflow' });
  first.release({ kind: 'response', status: 200 });
  first.release({ kind: 'response', status: 200 });
  rig.take();
  assert.deepEqual(rig.cluster.choose(facts), { kind: 'overflow' });
});

test('retries are limited by number, or by a share of the active requests', () => {
  const limits = defaultTrafficPolicy.limits;
  using rig = new ClusterRig({ limits: { ...limits, maxRetries: 1 } }, [endpoint('a')]);
  assert.equal(rig.cluster.beginRetry(), true);
  assert.equal(rig.cluster.beginRetry(), false);
  rig.cluster.endRetry();
  assert.equal(rig.cluster.beginRetry(), true);
  rig.cluster.endRetry();
  rig.update({ limits: { ...limits, retryBudget: { percent: 20, minConcurrency: 0, intervalMs: 0 } } }, [
    endpoint('a'),
  ]);
  assert.equal(rig.cluster.beginRetry(), false);
  for (let i = 0; i < 10; i++) rig.take();
  assert.deepEqual([rig.cluster.beginRetry(), rig.cluster.beginRetry(), rig.cluster.beginRetry()], [true, true, false]);
});

test('a budget of no percent leaves the least number', () => {
  const retryBudget = { percent: 0, minConcurrency: 2, intervalMs: 0 };
  using rig = new ClusterRig({ limits: { ...defaultTrafficPolicy.limits, retryBudget } }, [endpoint('a')]);
  for (let i = 0; i < 50; i++) rig.take();
  assert.deepEqual(
    [1, 2, 3].map(() => rig.cluster.beginRetry()),
    [true, true, false],
  );
});

test('a retry budget with an interval counts requests that began within it, once each', () => {
  const retryBudget = { percent: 20, minConcurrency: 0, intervalMs: 1000 };
  using rig = new ClusterRig({ limits: { ...defaultTrafficPolicy.limits, retryBudget } }, [endpoint('a')]);
  const granted = (): number => {
    let count = 0;
    while (rig.cluster.beginRetry()) count += 1;
    for (let i = 0; i < count; i++) rig.cluster.endRetry();
    return count;
  };
  rig.shares(10);
  assert.equal(granted(), 2, 'ten are over');
  const active = Array.from({ length: 5 }, () => rig.take());
  assert.equal(granted(), 3, 'and five go on');
  rig.loop.nowMs += 1100;
  assert.equal(granted(), 1, 'the ten are forgotten, the five still go on');
  for (const turn of active) turn.release({ kind: 'response', status: 200 });
  assert.equal(granted(), 0, 'they began too long ago');
});

test('places of attempts before are left, as long as there are others', () => {
  using rig = new ClusterRig({}, [endpoint('a', 2), endpoint('b', 2), endpoint('c', 1), endpoint('d', 0)]);
  const goesTo = (leftEndpoints: readonly string[]): string => {
    const found = new Set(Array.from({ length: 40 }, () => rig.take({ leftEndpoints }).endpoint.id));
    return [...found].toSorted().join();
  };
  assert.equal(goesTo([]), 'a,b');
  assert.equal(goesTo(['a']), 'c');
  assert.equal(goesTo(['a', 'c']), 'd');
  assert.equal(goesTo(['a', 'c', 'd']), 'a,b', 'all were left: from the nearest on again');
});

test('an endpoint keeps its identity over updates that do not move it, and loses it when it moves', () => {
  using rig = new ClusterRig({}, [endpoint('a')]);
  const before = rig.take().endpoint;
  rig.update({}, [{ ...endpoint('a'), weight: 5 }, endpoint('b')]);
  assert.equal(rig.cluster.endpoint('a'), before);
  assert.equal(before.weight, 5);
  rig.update({}, [{ ...endpoint('a'), route: { kind: 'hbone', identity: 'spiffe://cluster.local/ns/x/sa/y' } }]);
  assert.notEqual(rig.cluster.endpoint('a'), before);
  assert.equal(before.isGone, true);
});

test('places have their shares exactly, and give theirs to others when nobody is left there', () => {
  const outliers = { ...defaultOutlierRules, consecutive5xx: 1, maxEjectionPercent: 100 };
  const near = { key: 0, weight: 80 };
  const far = { key: 1, weight: 20 };
  using rig = new ClusterRig({ outliers }, [endpoint('a', 0, near), endpoint('b', 0, near), endpoint('c', 0, far)]);
  const shares = rig.shares(1000);
  assert.equal((shares['a'] ?? 0) + (shares['b'] ?? 0), 800);
  assert.equal(shares['c'], 200);
  for (let left = 100; left > 0; left--) {
    const turn = rig.take();
    turn.release(turn.endpoint.id === 'c' ? { kind: 'response', status: 503 } : { kind: 'canceled' });
  }
  assert.equal(rig.shares(100)['c'], undefined);
});

test('a session has its endpoint as long as that is well', () => {
  const outliers = { ...defaultOutlierRules, consecutive5xx: 1, maxEjectionPercent: 100 };
  using rig = new ClusterRig({ outliers }, [endpoint('a'), endpoint('b'), endpoint('c')]);
  const { sessionTag } = rig.cluster.endpoint('b') ?? {};
  for (let i = 0; i < 20; i++) assert.equal(rig.take({ sessionTag }).endpoint.id, 'b');
  assert.notEqual(rig.take({ sessionTag, triedEndpoints: ['b'] }).endpoint.id, 'b');
  rig.take({ sessionTag }).release({ kind: 'response', status: 500 });
  for (let i = 0; i < 20; i++) assert.notEqual(rig.take({ sessionTag }).endpoint.id, 'b');
  rig.update({ outliers }, [endpoint('a'), endpoint('d')]);
  assert.notEqual(rig.take({ sessionTag }).endpoint.id, 'b');
});

test('a new endpoint warms up: its share grows with its age', () => {
  const warmup = { durationMs: 400, minimumPercent: 10, aggression: 1 };
  const balancing = { kind: 'simple', algorithm: 'round-robin' } as const;
  using rig = new ClusterRig({ warmup, balancing }, [endpoint('a')]);
  rig.loop.nowMs += 500;
  rig.update({ warmup, balancing }, [endpoint('a'), endpoint('b')]);
  const young = rig.shares(1100)['b'] ?? 0;
  assert.ok(young > 80 && young < 250, `${young} of 1100`);
  rig.loop.nowMs += 400;
  assert.ok(Math.abs((rig.shares(1000)['b'] ?? 0) - 500) <= 60);
});
