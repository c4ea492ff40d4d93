import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import type { Pod } from '@ambit/kube';
import { ManualClock } from '@ambit/runtime';
import type { ExpectedPod } from '../enrolment/enrolment-controller.ts';
import type { NetnsView } from '../pods/netns-view.ts';
import { judgeProof, type Observation, type ProbeOutcome, type Verdict } from './judge-proof.ts';
import { ProofKeeper } from './proof-keeper.ts';

const VIEW: NetnsView = {
  returnPath: true,
  addresses: ['10.0.0.5'],
  listeners: [15001, 15006, 15008].map((port) => ({ protocol: 'tcp', port, mark: 0x539 })),
  generation: '2',
};
const ANSWER: ProbeOutcome = {
  kind: 'answered',
  answer: { pod: 'shop/web', state: 'valid', identity: 'spiffe://cluster.local/ns/shop/sa/web' },
};
const GOOD: Observation = {
  pod: 'shop/web',
  addresses: ['10.0.0.5'],
  isEnrolled: true,
  view: VIEW,
  areRulesIntact: true,
  probe: ANSWER,
  answersProbes: true,
};

function outcome(verdict: Verdict): string {
  return verdict.kind === 'enforced' ? 'enforced' : `${verdict.reason}${verdict.isExposed ? ' exposed' : ''}`;
}

for (const [name, change, expected] of [
  ['everything in place', {}, 'enforced'],
  ['not enrolled', { isEnrolled: false }, 'NotEnrolled exposed'],
  ['no namespace', { view: undefined }, 'NamespaceUnknown exposed'],
  ['an address that the namespace does not hold', { addresses: ['10.0.0.6'] }, 'WrongNamespace exposed'],
  [
    'one address of two that the namespace does not hold',
    { addresses: ['10.0.0.5', 'fd00::5'] },
    'WrongNamespace exposed',
  ],
  ['a probe that the agent could not begin', { probe: { kind: 'not-tried' } }, 'ProofFailed exposed'],
  ['altered rules', { areRulesIntact: false }, 'RulesAltered exposed'],
  ['no return path', { view: { ...VIEW, returnPath: false } }, 'RulesAltered exposed'],
  ['a missing listener', { view: { ...VIEW, listeners: VIEW.listeners.slice(1) } }, 'NotServed'],
  [
    'an impostor that listens without the mark',
    { view: { ...VIEW, listeners: VIEW.listeners.map((one) => ({ ...one, mark: 0 })) } },
    'NotServed',
  ],
  ['a connection that gets lost', { probe: { kind: 'lost' } }, 'NotCaptured exposed'],
  ['a connection refused by somebody outside', { probe: { kind: 'refused' } }, 'NotCaptured exposed'],
  ['silence of a proxy that has answered before', { probe: { kind: 'accepted-in-silence' } }, 'ProxySilent'],
  ['silence of a proxy of another make', { probe: { kind: 'accepted-in-silence' }, answersProbes: false }, 'enforced'],
  ['a pod without any route', { probe: { kind: 'unroutable' } }, 'enforced'],
  [
    'the answer of another pod',
    { probe: { kind: 'answered', answer: { pod: 'shop/db', state: 'valid', identity: undefined } } },
    'WrongPod exposed',
  ],
  [
    'no certificate',
    { probe: { kind: 'answered', answer: { pod: 'shop/web', state: 'no-certificate', identity: undefined } } },
    'NoCertificate',
  ],
  [
    'a pod the control plane has not told of',
    { probe: { kind: 'answered', answer: { pod: 'shop/web', state: 'unknown', identity: undefined } } },
    'WorkloadUnknown',
  ],
] as const satisfies readonly (readonly [string, Partial<Observation>, string])[]) {
  test(`${name}: ${expected}`, () => assert.equal(outcome(judgeProof({ ...GOOD, ...change })), expected));
}

function pod(name: string, phase: Pod['status']['phase'] = 'Running'): Pod {
  return {
    kind: 'Pod',
    origin: { file: 'x', line: 1, column: 1 },
    metadata: {
      name,
      namespace: 'shop',
      labels: {},
      annotations: {},
      uid: name,
      creationTimestamp: undefined,
      deletionTimestamp: undefined,
      generateName: undefined,
      ownerReferences: [],
    },
    spec: { nodeName: 'n', serviceAccountName: 'default', hostNetwork: false, containers: [], initContainers: [] },
    status: { phase, podIPs: ['10.0.0.5'], isReady: true },
  };
}

class Rig {
  readonly clock = new ManualClock();
  readonly log: string[] = [];
  expected: ExpectedPod[] = [];
  areRulesIntact = true;
  view: NetnsView = VIEW;
  /** What is seen first. */
  readonly views: NetnsView[] = [];
  probe: (pod: Pod) => ProbeOutcome = ({ metadata }) => ({
    kind: 'answered',
    answer: { pod: `shop/${metadata.name}`, state: 'valid', identity: undefined },
  });
  probes = 0;
  look = (): Promise<NetnsView> => Promise.resolve(this.views.shift() ?? this.view);
  epoch = 1;
  readonly keeper: ProofKeeper;

  constructor(proofsPerSecond = 100, heartbeatMs = 0) {
    this.keeper = new ProofKeeper({
      clock: this.clock,
      intervalMs: 5_000,
      proofsPerSecond,
      heartbeatMs,
      ports: {
        expected: () => this.expected,
        hasProcess: ({ metadata }) => metadata.name !== 'rebooted',
        look: () => this.look(),
        areRulesIntact: () => Promise.resolve(this.areRulesIntact),
        probe: (_place, one) => {
          this.probes += 1;
          return Promise.resolve(this.probe(one));
        },
        proxyEpoch: () => this.epoch,
        heal: (uid, distrusts) => this.log.push(`heal ${uid}${distrusts ? ' and tell the proxy' : ''}`),
        report: (one, verdict) => this.log.push(`${one.metadata.name} ${outcome(verdict)}`),
        retract: (one) => this.log.push(`${one.metadata.name} retracted`),
      },
    });
  }

  show(...names: readonly string[]): void {
    this.expected = names.map((name) => ({
      pod: pod(name),
      isEnrolled: true,
      place: { kind: 'pod', id: name, enterPath: '/x' },
    }));
  }

  async pass(ms: number): Promise<readonly string[]> {
    for (let elapsedMs = 0; elapsedMs < ms; elapsedMs += 100) {
      this.clock.advance(100);
      for (let i = 0; i < 3; i += 1) await turn();
    }
    return this.log.splice(0);
  }

  seconds(): Readonly<Record<string, number>> {
    return Object.fromEntries(
      [...this.keeper.unenforcedSeconds()]
        .map(([reason, value]) => [reason, Math.round(value)] as const)
        .filter(([, value]) => value > 0),
    );
  }
}

test('a pod is told to be enforced once, and proven again and again without another word', async () => {
  const rig = new Rig();
  rig.show('web');
  rig.keeper.start();
  assert.deepEqual(await rig.pass(21_000), ['web enforced']);
  assert.equal(rig.probes, 5);
  assert.deepEqual(rig.seconds(), {});
});

test('a refusal by a proxy that has just ended is no connection that got past it', async () => {
  const rig = new Rig();
  rig.show('web');
  rig.views.push(VIEW);
  rig.view = { ...VIEW, listeners: [] };
  rig.probe = () => ({ kind: 'refused' });
  rig.keeper.start();
  assert.deepEqual(await rig.pass(1_000), ['web NotServed']);
  assert.ok([...rig.keeper.unenforcedSeconds().keys()].includes('NotCaptured'), 'reasons are there before they occur');
});

test('altered rules are told, healed, and counted from the last proof on', async () => {
  const rig = new Rig();
  rig.show('web');
  rig.keeper.start();
  await rig.pass(1_000);
  rig.areRulesIntact = false;
  const log = await rig.pass(5_000);
  assert.deepEqual(log.slice(0, 2), ['heal web', 'web RulesAltered exposed']);
  assert.equal(rig.keeper.unenforcedCount, 1);
  rig.areRulesIntact = true;
  assert.deepEqual((await rig.pass(1_000)).at(-1), 'web enforced');
  assert.equal(rig.keeper.unenforcedCount, 0);
  assert.ok((rig.seconds()['RulesAltered'] ?? 0) >= 5, JSON.stringify(rig.seconds()));
});

test('rules that somebody else put back are told and counted all the same', async () => {
  const rig = new Rig();
  rig.show('web');
  rig.keeper.start();
  await rig.pass(3_000);
  rig.keeper.noteRepair('web');
  assert.deepEqual(await rig.pass(1_000), ['web RulesAltered exposed', 'web enforced']);
  assert.ok((rig.seconds()['RulesAltered'] ?? 0) >= 2, JSON.stringify(rig.seconds()));
  rig.keeper.noteRepair('nobody');
});

test('a proxy that does not serve a pod is told of it again, but not all the time', async () => {
  const rig = new Rig();
  rig.show('web');
  rig.view = { ...VIEW, listeners: [] };
  rig.keeper.start();
  const log = await rig.pass(10_000);
  assert.equal(log[0], 'web NotServed');
  const told = log.filter((line) => line.endsWith('tell the proxy')).length;
  assert.ok(told >= 2 && told <= 4, `${told} times`);
});

test('a running pod that is not enrolled counts as exposed; one that has not started does not', async () => {
  const rig = new Rig();
  rig.keeper.start();
  rig.expected = [
    { pod: pod('late', 'Running'), isEnrolled: false, place: undefined },
    { pod: pod('new', 'Pending'), isEnrolled: false, place: undefined },
    { pod: pod('rebooted', 'Running'), isEnrolled: true, place: undefined },
  ];
  const log = await rig.pass(3_000);
  assert.ok(log.includes('late NotEnrolled exposed'));
  assert.ok(!log.some((line) => /new|rebooted/.test(line)));
  rig.expected = [];
  assert.deepEqual(await rig.pass(200), ['late retracted']);
  assert.ok((rig.seconds()['NotEnrolled'] ?? 0) >= 2);
});

test('a proof that is under way when proofs end tells nothing', async () => {
  const rig = new Rig();
  rig.show('web');
  const answer = Promise.withResolvers<NetnsView>();
  rig.look = () => answer.promise;
  rig.keeper.start();
  await rig.pass(1_000);
  rig.keeper[Symbol.dispose]();
  answer.resolve(VIEW);
  assert.deepEqual(await rig.pass(1_000), []);
});

test('many pods share a budget, and each gets its turn', async () => {
  const rig = new Rig(10);
  rig.show(...Array.from({ length: 100 }, (_, index) => `pod${index}`));
  rig.keeper.start();
  const first = await rig.pass(5_000);
  assert.ok(first.length >= 40 && first.length <= 60, `${first.length} proofs in five seconds`);
  await rig.pass(10_000);
  assert.equal(rig.keeper.unenforcedCount, 0);
  assert.ok(rig.probes >= 140 && rig.probes <= 165, `${rig.probes}`);
});

test('a proxy of another make is tried once a minute, and a new one is tried at once', async () => {
  const rig = new Rig();
  rig.probe = () => ({ kind: 'accepted-in-silence' });
  rig.show('web');
  rig.keeper.start();
  await rig.pass(50_000);
  assert.equal(rig.probes, 1);
  await rig.pass(20_000);
  assert.equal(rig.probes, 2);
});

test('silence is trouble once this proxy has answered, and none for its successor of another make', async () => {
  const rig = new Rig();
  rig.show('web');
  rig.keeper.start();
  await rig.pass(1_000);
  rig.probe = () => ({ kind: 'accepted-in-silence' });
  assert.ok((await rig.pass(6_000)).includes('web ProxySilent'));
  rig.epoch = 2;
  assert.ok((await rig.pass(6_000)).includes('web enforced'));
});

test('an unchanged state is told again at the heartbeat only', async () => {
  const rig = new Rig(100, 60_000);
  rig.show('web');
  rig.keeper.start();
  assert.equal((await rig.pass(130_000)).filter((line) => line === 'web enforced').length, 3);
});
