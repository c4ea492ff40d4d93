import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { KubeError, type Pod } from '@ambit/kube';
import { ManualClock } from '@ambit/runtime';
import { unenforced, type Verdict } from '../proof/judge-proof.ts';
import { ProofWriter } from './proof-writer.ts';

const GOOD: Verdict = { kind: 'enforced', message: 'all is well' };

function pod(name: string): Pod {
  return {
    kind: 'Pod',
    origin: { file: 'x', line: 1, column: 1 },
    metadata: {
      name,
      namespace: 'shop',
      labels: {},
      annotations: {},
      uid: `uid-${name}`,
      creationTimestamp: undefined,
      deletionTimestamp: undefined,
      generateName: undefined,
      ownerReferences: [],
    },
    spec: { nodeName: 'n', serviceAccountName: 'default', hostNetwork: false, containers: [], initContainers: [] },
    status: { phase: 'Running', podIPs: ['10.0.0.5'], isReady: true },
  };
}

class Rig {
  readonly clock = new ManualClock();
  readonly log: string[] = [];
  failure: Error | undefined;
  readonly writer: ProofWriter;

  constructor() {
    this.writer = new ProofWriter({
      node: 'n',
      clock: this.clock,
      writesPerSecond: 5,
      onError: ({ metadata }, error) => this.log.push(`${metadata.name}: ${error.message}`),
      client: {
        apply: (ref, object) => {
          if (this.failure) return Promise.reject(this.failure);
          const status = /"status":"(True|False)"/.exec(JSON.stringify(object))?.[1];
          this.log.push(`${ref.name} ${status ?? 'nothing'}`);
          return Promise.resolve();
        },
        create: (_kind, object) => {
          this.log.push(`event ${/"reason":"(\w+)"/.exec(JSON.stringify(object))?.[1]}`);
          return Promise.resolve({});
        },
      },
    });
  }

  async pass(ms: number): Promise<readonly string[]> {
    for (let elapsedMs = 0; elapsedMs <= ms; elapsedMs += 100) {
      for (let i = 0; i < 5; i += 1) await turn();
      this.clock.advance(100);
    }
    return this.log.splice(0);
  }
}

test('the newest state of each pod is written, a few a second, with an event when it turns', async () => {
  const rig = new Rig();
  using writer = rig.writer;
  writer.put(pod('a'), GOOD, 0);
  writer.put(pod('b'), unenforced('NotServed'), 0);
  writer.put(pod('a'), unenforced('RulesAltered'), 0);
  writer.put(pod('a'), GOOD, 0);
  assert.deepEqual(await rig.pass(1_000), ['b False', 'event NotServed', 'a True']);
  writer.put(pod('b'), GOOD, 0);
  assert.deepEqual(await rig.pass(1_000), ['b True', 'event Enforced']);
  writer.put(pod('b'), undefined, 0);
  assert.deepEqual(await rig.pass(1_000), ['b nothing']);
});

test('an API server that is away is tried again with what is newest then', async () => {
  const rig = new Rig();
  using writer = rig.writer;
  rig.failure = new Error('no answer');
  writer.put(pod('a'), unenforced('NotServed'), 0);
  assert.deepEqual(await rig.pass(200), ['a: no answer']);
  rig.failure = undefined;
  writer.put(pod('a'), GOOD, 0);
  assert.deepEqual(await rig.pass(2_000), ['a True']);
});

test('what is dropped is not written', async () => {
  const rig = new Rig();
  using writer = rig.writer;
  for (const name of ['a', 'b', 'c']) writer.put(pod(name), GOOD, 0);
  writer.drop((uid) => uid === 'uid-b');
  assert.deepEqual(await rig.pass(1_000), ['b True']);
});

test('a pod that is gone needs no condition', async () => {
  const rig = new Rig();
  using writer = rig.writer;
  rig.failure = new KubeError('NOT_FOUND', 'gone', { httpStatus: 404, reason: 'NotFound' });
  writer.put(pod('a'), GOOD, 0);
  assert.deepEqual(await rig.pass(60_000), []);
});
