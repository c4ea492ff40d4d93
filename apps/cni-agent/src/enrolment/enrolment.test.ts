import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ManualClock } from '@ambit/runtime';
import { ResourceTable, type Namespace, type Pod } from '@ambit/kube';
import { DEFAULT_SELECTORS } from '../pods/enablement-selector.ts';
import { EnrolmentController } from './enrolment-controller.ts';
import type { EnrolmentPorts, NetnsHandle } from './enrolment-ports.ts';

const origin = { file: 'test.yaml', line: 1, column: 1 };
const metadata = {
  labels: {},
  annotations: {},
  creationTimestamp: undefined,
  deletionTimestamp: undefined,
  generateName: undefined,
  ownerReferences: [],
};

function namespace(mode?: string): Namespace {
  return {
    kind: 'Namespace',
    origin,
    metadata: {
      ...metadata,
      name: 'shop',
      namespace: '',
      uid: 'ns',
      labels: mode === undefined ? {} : { 'istio.io/dataplane-mode': mode },
    },
  };
}

function pod(redirection?: string, overrides: Partial<Pod['status']> = {}): Pod {
  return {
    kind: 'Pod',
    origin,
    metadata: {
      ...metadata,
      name: 'web',
      namespace: 'shop',
      uid: 'u1',
      annotations: redirection === undefined ? {} : { 'ambient.istio.io/redirection': redirection },
    },
    spec: { nodeName: 'node1', serviceAccountName: 'web', hostNetwork: false, containers: [], initContainers: [] },
    status: { phase: 'Running', podIPs: ['10.0.0.5'], isReady: true, ...overrides },
  };
}

/** A node with one pod whose every dealing with the outside is written down. */
class Node {
  readonly log: string[] = [];
  readonly clock = new ManualClock();
  readonly source = new ResourceTable();
  carried = 0;
  refusal: Error | undefined;
  rulesPresent = false;
  brokenLook = false;
  /** The runtime has told the address of the pod. */
  told = false;
  netnsId = 'netns1';
  hasNetns = true;
  openHandles = 0;
  current: Pod = pod();
  labels: Namespace = namespace();
  readonly controller: EnrolmentController;

  constructor() {
    const ports: EnrolmentPorts = {
      locateNetns: () => Promise.resolve(this.hasNetns ? this.#handle() : undefined),
      capture: {
        program: (_place, _options, phase) => this.#did(`program ${phase}`),
        heal: () => this.#did('heal').then(() => 'intact' as const),
        forget: () => {},
        isPresent: () => (this.brokenLook ? Promise.reject(new Error('gone')) : Promise.resolve(this.rulesPresent)),
        remove: () => this.#did('remove rules'),
      },
      carriedConnections: () => Promise.resolve(this.carried),
      proxy: {
        add: (workload, fd) => {
          this.log.push(`proxy add ${workload.namespace}/${workload.name}/${workload.serviceAccount} ${fd}`);
          return this.refusal ? Promise.reject(this.refusal) : Promise.resolve();
        },
        del: (uid) => this.#did(`proxy del ${uid}`),
      },
      probes: {
        add: (uid, addresses) => this.#did(`probes add ${uid} ${addresses.join()}`),
        remove: (uid) => this.#did(`probes remove ${uid}`),
      },
      annotate: (_pod, redirection) => {
        this.show({ pod: pod(redirection, this.current.status) });
        return this.#did(`annotate ${redirection ?? 'nothing'}`);
      },
    };
    this.controller = new EnrolmentController({
      source: this.source,
      nodeName: 'node1',
      systemNamespace: 'istio-system',
      ports,
      clock: this.clock,
      verifyIntervalMs: 10_000,
      eligibility: { selectors: DEFAULT_SELECTORS, excludeNamespaces: ['kube-system'] },
      settings: { dnsCapture: true, repairOnStart: true, releaseQuietMs: 1_000, releaseGraceMs: 60_000 },
      complete: (one) => (this.told ? { ...one, status: { ...one.status, podIPs: ['10.0.0.9'] } } : one),
      onEvent: (event) => {
        if (event.kind !== 'failed') this.log.push(`event ${event.kind}`);
      },
    });
  }

  show({ pod: view = this.current, labels = this.labels }: { readonly pod?: Pod; readonly labels?: Namespace }): void {
    this.current = view;
    this.labels = labels;
    this.source.replace([labels, view]);
  }

  async settle(): Promise<readonly string[]> {
    for (let turn = 0; turn < 50; turn += 1) await nextTurn();
    return this.log.splice(0);
  }

  async begin(): Promise<readonly string[]> {
    await this.controller.start();
    this.controller.run();
    return this.settle();
  }

  #handle(): NetnsHandle {
    this.openHandles += 1;
    let isOpen = true;
    return {
      fd: 7,
      id: this.netnsId,
      enterPath: '/x',
      [Symbol.dispose]: () => {
        if (isOpen) this.openHandles -= 1;
        isOpen = false;
      },
    };
  }

  #did(what: string): Promise<void> {
    this.log.push(what);
    return Promise.resolve();
  }
}

const IN = [
  'program carry',
  'proxy add shop/web/web 7',
  'probes add u1 10.0.0.5',
  'program capture',
  'event enrolled',
  'annotate enabled',
  'probes add u1 10.0.0.5',
  'heal',
];

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
