import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Pod } from '@ambit/kube';
import { namespace, pod, Node } from './test-support/recorded-node.ts';

const STARTING = { phase: 'Pending', podIPs: [], isReady: false } as const;

test('a starting pod is enrolled in one step with the address the runtime gave it, and annotated after the answer', async () => {
  const node = new Node();
  node.show({ pod: pod(undefined, STARTING), labels: namespace('ambient') });
  await node.begin();
  await assert.rejects(node.controller.settle('shop', 'web', 'u1'), { code: 'POD_WITHOUT_ADDRESS' });
  node.told = true;
  const settled = node.controller.settle('shop', 'web', 'u1').then(() => node.log.push('answered'));
  const log = await node.settle();
  await settled;
  assert.deepEqual(log.slice(0, 3), ['program capture', 'proxy add shop/web/web 7', 'event enrolled']);
  assert.deepEqual(log.slice(3, 6).toSorted(), ['annotate enabled', 'answered', 'probes add u1 10.0.0.9']);
});

test('a pod that starts again after its node booted is brought in like a new one', async () => {
  const node = new Node();
  node.hasNetns = false;
  node.show({ pod: pod('enabled', STARTING), labels: namespace('ambient') });
  node.told = true;
  await node.begin();
  node.hasNetns = true;
  await node.controller.settle('shop', 'web', 'u1');
  assert.deepEqual((await node.settle()).slice(0, 4), [
    'program capture',
    'proxy add shop/web/web 7',
    'event enrolled',
    'probes add u1 10.0.0.9',
  ]);
});

test('news of one pod makes nobody look at another, and news of a namespace at all of its pods', async () => {
  const node = new Node();
  node.show({ labels: namespace('ambient') });
  await node.begin();
  const other: Pod = { ...pod(), metadata: { ...pod().metadata, name: 'other', namespace: 'elsewhere', uid: 'u2' } };
  node.source.replace([node.labels, node.current, other]);
  assert.deepEqual(await node.settle(), []);
  node.show({ labels: namespace() });
  assert.equal((await node.settle())[0], 'program carry');
});

test('a pod that cannot be looked at at the start does not keep the agent from starting', async () => {
  const node = new Node();
  node.brokenLook = true;
  node.show({});
  assert.deepEqual(await node.begin(), []);
});

test('a pod that starts is not answered for by what was under way before', async () => {
  const node = new Node();
  node.show({ pod: pod('enabled'), labels: namespace('ambient') });
  await node.begin();
  // A verification is at work when the runtime asks for a new sandbox of the same pod.
  node.clock.advance(10_000);
  node.netnsId = 'netns2';
  node.refusal = new Error('no ztunnel connection');
  await assert.rejects(node.controller.settle('shop', 'web', 'u1'), { message: 'no ztunnel connection' });
});

test('a runtime that waits is answered although its pod is on its way out by then', async () => {
  const node = new Node();
  node.show({ pod: pod('enabled'), labels: namespace('ambient') });
  await node.begin();
  node.carried = 1;
  // A verification is at work; when it ends, the pod does not belong into the mesh any more.
  node.clock.advance(10_000);
  let isAnswered = false;
  void node.controller.settle('shop', 'web', 'u1').then(() => (isAnswered = true));
  node.show({ labels: namespace() });
  await node.settle();
  assert.equal(isAnswered, true);
});

test('a new sandbox that cannot be opened is not answered for by the old one', async () => {
  const node = new Node();
  node.show({ pod: pod('enabled'), labels: namespace('ambient') });
  await node.begin();
  node.hasNetns = false;
  await assert.rejects(node.controller.settle('shop', 'web', 'u1'), { code: 'NETNS_UNKNOWN' });
});

test('a starting pod whose proxy refuses leaves nothing behind and does not start', async () => {
  const node = new Node();
  node.refusal = new Error('no ztunnel connection');
  node.told = true;
  node.show({ pod: pod(undefined, STARTING), labels: namespace('ambient') });
  await node.controller.start();
  const settled = node.controller.settle('shop', 'web', 'u1');
  await assert.rejects(settled, { message: 'no ztunnel connection' });
  assert.ok(node.log.includes('proxy del u1'));
  assert.ok(!node.log.some((line) => line.startsWith('annotate')));
  assert.equal(node.openHandles, 0);
  assert.deepEqual(node.controller.snapshot(), []);
});

test('a starting pod without a namespace does not start, and another pod of its name is not taken for it', async () => {
  const node = new Node();
  node.hasNetns = false;
  node.told = true;
  node.show({ pod: pod(undefined, STARTING), labels: namespace('ambient') });
  await node.controller.start();
  await assert.rejects(node.controller.settle('shop', 'web', 'u1'), { code: 'NETNS_UNKNOWN' });
  await assert.rejects(node.controller.settle('shop', 'web', 'u2'), { code: 'POD_UNKNOWN' });
  node.show({ labels: namespace() });
  assert.equal(await node.controller.settle('shop', 'web', 'u1'), false, 'not of the mesh');
});

test('ztunnel itself starts without being looked at', async () => {
  const node = new Node();
  const one = pod(undefined, STARTING);
  const labels = { app: 'ztunnel', 'istio.io/dataplane-mode': 'ambient' };
  node.show({ pod: { ...one, metadata: { ...one.metadata, namespace: 'istio-system', name: 'ztunnel-1', labels } } });
  await node.controller.start();
  assert.equal(await node.controller.settle('istio-system', 'ztunnel-1', 'u1'), false);
  assert.deepEqual(node.log, []);
});

test('a namespace that is gone before its pod was in is not held', async () => {
  const node = new Node();
  node.refusal = new Error('no');
  node.show({ labels: namespace('ambient') });
  await node.begin();
  assert.equal(node.openHandles, 1);
  node.hasNetns = false;
  node.clock.advance(10_000);
  await node.settle();
  assert.equal(node.openHandles, 0);
});

test('a node that the mesh leaves has no rules and no annotation in any pod', async () => {
  const node = new Node();
  node.show({ labels: namespace('ambient') });
  await node.begin();
  await node.controller.evictAll(() => assert.fail());
  assert.deepEqual(await node.settle(), ['remove rules', 'proxy del u1', 'annotate nothing', 'event released']);
  assert.equal(node.openHandles, 0);
});
