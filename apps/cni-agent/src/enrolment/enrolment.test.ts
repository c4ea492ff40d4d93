import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namespace, pod, Node, IN } from './test-support/recorded-node.ts';

test('a label brings a running pod in: the proxy listens before anything is captured', async () => {
  const node = new Node();
  node.show({});
  assert.deepEqual(await node.begin(), []);
  node.show({ labels: namespace('ambient') });
  assert.deepEqual(await node.settle(), IN);
  assert.equal(node.controller.enrolledCount, 1);
  assert.equal(node.openHandles, 1);
});

test('without the label capture ends first, and the proxy stops when it carries nothing any more', async () => {
  const node = new Node();
  node.show({ labels: namespace('ambient') });
  await node.begin();
  node.carried = 3;
  node.show({ labels: namespace() });
  assert.deepEqual(await node.settle(), ['program carry', 'probes remove u1', 'event releasing', 'annotate nothing']);
  node.clock.advance(5_000);
  assert.deepEqual(await node.settle(), []);
  assert.equal(node.controller.snapshot().length, 1);
  node.carried = 0;
  node.clock.advance(250);
  await node.settle();
  node.clock.advance(250);
  assert.deepEqual(await node.settle(), [], 'has to be quiet for a while, since peers learn of it with delay');
  for (let poll = 0; poll < 4; poll += 1) {
    node.clock.advance(250);
    await node.settle().then((log) => node.log.push(...log));
  }
  assert.deepEqual(await node.settle(), ['proxy del u1', 'remove rules', 'event released']);
  assert.equal(node.openHandles, 0);
  assert.equal(node.controller.snapshot().length, 0);
});

test('connections that outlast the grace do not keep a pod in the mesh', async () => {
  const node = new Node();
  node.show({ labels: namespace('ambient') });
  await node.begin();
  node.carried = 1;
  node.show({ labels: namespace() });
  await node.settle();
  node.clock.advance(59_000);
  assert.deepEqual(await node.settle(), []);
  node.clock.advance(1_000);
  await node.settle().then((log) => node.log.push(...log));
  node.clock.advance(250);
  assert.ok((await node.settle()).includes('proxy del u1'));
});

test('a label that comes back during the release captures again at once', async () => {
  const node = new Node();
  node.show({ labels: namespace('ambient') });
  await node.begin();
  node.carried = 1;
  node.show({ labels: namespace() });
  await node.settle();
  node.show({ labels: namespace('ambient') });
  assert.deepEqual(await node.settle(), IN);
});

test('a refusal is annotated as pending, nothing is captured, and it is tried again', async () => {
  const node = new Node();
  node.refusal = new Error('no ztunnel connection');
  node.show({ labels: namespace('ambient') });
  const log = await node.begin();
  assert.deepEqual(log.slice(0, 3), ['program carry', 'proxy add shop/web/web 7', 'annotate pending']);
  assert.ok(!log.includes('program capture'));
  assert.equal(node.controller.snapshot().length, 1, 'a proxy that connects now finds the pod in its snapshot');
  node.refusal = undefined;
  node.controller.onProxySynced();
  assert.deepEqual((await node.settle()).slice(0, 6), IN.slice(0, 6));
});

test('a pod that leaves while it was still refused is cleaned up', async () => {
  const node = new Node();
  node.refusal = new Error('no');
  node.show({ labels: namespace('ambient') });
  await node.begin();
  node.show({ labels: namespace() });
  await node.settle();
  node.clock.advance(61_000);
  await node.settle().then((log) => node.log.push(...log));
  assert.ok((await node.settle()).includes('remove rules'));
});

test('a restarted agent leaves an enrolled pod alone', async () => {
  const node = new Node();
  node.show({ pod: pod('enabled'), labels: namespace('ambient') });
  await node.controller.start();
  assert.deepEqual(node.controller.snapshot(), [
    { workload: { uid: 'u1', name: 'web', namespace: 'shop', serviceAccount: 'web' }, netnsFd: 7 },
  ]);
  node.controller.run();
  assert.deepEqual(await node.settle(), ['probes add u1 10.0.0.5', 'heal']);
});

test('a restarted agent that cannot find a namespace asks the proxy to keep the pod, and hands it over later', async () => {
  const node = new Node();
  node.hasNetns = false;
  node.show({ pod: pod('enabled'), labels: namespace('ambient') });
  await node.controller.start();
  assert.equal(node.controller.snapshot()[0]?.netnsFd, undefined);
  node.hasNetns = true;
  node.controller.run();
  assert.deepEqual(await node.settle(), ['proxy add shop/web/web 7', 'probes add u1 10.0.0.5', 'heal']);
});

test('a restarted agent goes on with the release that its predecessor began', async () => {
  const node = new Node();
  node.rulesPresent = true;
  node.carried = 1;
  node.show({});
  await node.controller.start();
  assert.equal(node.controller.snapshot().length, 1);
  node.controller.run();
  assert.deepEqual(await node.settle(), []);
  node.carried = 0;
  for (let poll = 0; poll < 7; poll += 1) {
    node.clock.advance(250);
    await node.settle().then((log) => node.log.push(...log));
  }
  assert.deepEqual(await node.settle(), ['proxy del u1', 'remove rules', 'event released']);
});

test('a deleted pod and a completed one are forgotten', async () => {
  for (const end of ['deleted', 'completed']) {
    const node = new Node();
    node.show({ labels: namespace('ambient') });
    await node.begin();
    if (end === 'deleted') node.source.replace([node.labels]);
    else node.show({ pod: pod('enabled', { phase: 'Succeeded' }) });
    assert.deepEqual(await node.settle(), ['probes remove u1', 'proxy del u1', 'event forgotten'], end);
    assert.equal(node.openHandles, 0);
  }
});

test('a pod whose namespace was replaced is brought in again', async () => {
  const node = new Node();
  node.show({ labels: namespace('ambient') });
  await node.begin();
  node.netnsId = 'netns2';
  node.clock.advance(10_000);
  assert.deepEqual((await node.settle()).slice(0, 5), IN.slice(0, 5));
  assert.equal(node.openHandles, 1);
});

test('enrolled pods are verified again and again', async () => {
  const node = new Node();
  node.show({ labels: namespace('ambient') });
  await node.begin();
  for (let round = 0; round < 2; round += 1) {
    node.clock.advance(10_000);
    assert.deepEqual(await node.settle(), ['probes add u1 10.0.0.5', 'heal']);
  }
});
