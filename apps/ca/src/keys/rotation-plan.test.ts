import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type PresentTrust,
  type RotationFacts,
  type RotationSituation,
  type TrustFacts,
  chooseSigner,
  planRotation,
  rootsInForce,
} from './rotation-plan.ts';

const stepMs = 1000;
const only = (root: string, ...more: string[]): PresentTrust => ({
  root,
  roots: [root, ...more],
  rotation: undefined,
});

const publishing: RotationFacts = {
  phase: 'publish',
  sinceMs: 0,
  previous: only('A'),
  bundle: ['A', 'B'],
  targetRoot: 'B',
};
const switching: RotationFacts = { ...publishing, phase: 'switch' };

function plan(overrides: Partial<RotationSituation>): unknown {
  return planRotation({
    target: only('B'),
    rotation: undefined,
    present: only('A'),
    nowMs: 0,
    stepMs,
    isPublished: true,
    ...overrides,
  });
}

const cases: readonly (readonly [string, Partial<RotationSituation>, unknown])[] = [
  ['rests when nothing changed', { target: only('A') }, { kind: 'rest' }],
  ['takes an additional root at once', { target: only('A', 'B') }, { kind: 'rest' }],
  ['publishes a new root first', {}, { kind: 'begin', bundle: ['A', 'B'] }],
  [
    'does not drop a root at once',
    { present: only('A', 'B'), target: only('A') },
    { kind: 'begin', bundle: ['A', 'B'] },
  ],
  [
    'does not believe that a published root has been published long enough',
    { present: only('A', 'B'), target: { root: 'B', roots: ['A', 'B'] } },
    { kind: 'begin', bundle: ['A', 'B'] },
  ],
  ['waits for the step', { rotation: publishing, nowMs: 400 }, { kind: 'wait', ms: 600 }],
  ['switches after it', { rotation: publishing, nowMs: 1000 }, { kind: 'switch' }],
  [
    'does not switch while a namespace lacks the bundle',
    { rotation: publishing, nowMs: 1000, isPublished: false },
    { kind: 'wait', ms: 0 },
  ],
  ['ends after the second step', { rotation: switching, nowMs: 1000 }, { kind: 'finish' }],
  ['goes back at once while publishing', { rotation: publishing, target: only('A') }, { kind: 'finish' }],
  [
    'goes back in two steps after the switch',
    { rotation: switching, target: only('A'), present: { ...only('B', 'A'), rotation: switching } },
    { kind: 'begin', bundle: ['A', 'B'] },
  ],
  [
    'takes another target while publishing and starts over',
    { rotation: publishing, target: only('C'), nowMs: 999 },
    { kind: 'restart', bundle: ['A', 'B', 'C'] },
  ],
  [
    'publishes a third root before it uses it',
    { rotation: switching, target: only('C'), present: { ...only('B', 'A'), rotation: switching } },
    { kind: 'begin', bundle: ['A', 'B', 'C'] },
  ],
];

for (const [name, situation, expected] of cases) {
  test(`a rotation ${name}`, () => assert.deepEqual(plan(situation), expected));
}

/** A replica: it remembers what it signs with, and sees Kubernetes as it was when it last looked. */
interface Replica {
  present: PresentTrust;
}

interface World {
  readonly target: TrustFacts;
  readonly rotation: RotationFacts | undefined;
}

interface Workload {
  root: string;
  roots: readonly string[];
  renewedAtMs: number;
}

/** What a replica uses after looking; mirrors the executing module with names instead of keys. */
function follow(replica: Replica, world: World): void {
  const { target, rotation } = world;
  const choice = chooseSigner(target, rotation, replica.present);
  if (choice === 'keep' && rotation === undefined) return;
  const trusted = rootsInForce(target, rotation);
  const root =
    choice === 'target' ? target.root : choice === 'previous' ? (rotation?.previous.root ?? '') : replica.present.root;
  replica.present = { root, roots: trusted, rotation };
}

/** A replica after a fresh start, undefined if it must not serve yet. */
function start(published: TrustFacts, world: World): Replica | undefined {
  const { target, rotation } = world;
  if (rotation === undefined) {
    const present = { ...published, rotation: undefined };
    return chooseSigner(target, rotation, present) === 'keep' ? undefined : { present: { ...target, rotation } };
  }
  const root = chooseSigner(target, rotation, undefined) === 'target' ? target.root : rotation.previous.root;
  return { present: { root, roots: rootsInForce(target, rotation), rotation } };
}

const roots = ['A', 'B', 'C', 'D'];
const targets = fc.record({
  root: fc.constantFrom(...roots),
  more: fc.subarray(roots, { maxLength: 2 }),
});
const events = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 200 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('target' as const), target: targets }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('renew' as const), workload: fc.nat(3), replica: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leader' as const), replica: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('look' as const), replica: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), replica: fc.nat(1) }) },
);

test('whatever the operator does and whenever, every workload accepts every other one', () => {
  fc.assert(
    fc.property(fc.array(events, { minLength: 20, maxLength: 120 }), (script) => {
      let nowMs = 0;
      let world: World = { target: only('A'), rotation: undefined };
      let leader = 0;
      const replicas: Replica[] = [0, 1].map(() => ({ present: only('A') }));
      const replicaAt = (index: number): Replica => replicas[index] ?? assert.fail();
      const renew = (workload: Workload, index: number): void => {
        const { root, roots: trusted } = replicaAt(index).present;
        Object.assign(workload, { root, roots: trusted, renewedAtMs: nowMs });
      };
      const workloads: Workload[] = Array.from({ length: 4 }, () => ({ root: '', roots: [], renewedAtMs: 0 }));
      for (const [index, workload] of workloads.entries()) renew(workload, index % 2);
      const act = (): void => {
        const replica = replicaAt(leader);
        follow(replica, world);
        const { target, rotation } = world;
        const step = planRotation({ target, rotation, present: replica.present, nowMs, stepMs, isPublished: true });
        const record = (phase: RotationFacts['phase'], previous: TrustFacts, bundle: readonly string[]): void => {
          world = { target, rotation: { phase, sinceMs: nowMs, previous, bundle, targetRoot: target.root } };
        };
        if (step.kind === 'begin') record('publish', replica.present, step.bundle);
        else if (step.kind === 'finish') world = { target, rotation: undefined };
        else if (rotation !== undefined && step.kind === 'restart')
          record(rotation.phase, rotation.previous, step.bundle);
        else if (rotation !== undefined && step.kind === 'switch') record('switch', rotation.previous, rotation.bundle);
        follow(replica, world);
      };
      const checkAll = (): void => {
        for (const one of workloads) {
          for (const other of workloads) {
            assert.ok(other.roots.includes(one.root), `${one.root} is refused by ${other.roots.join('+')} at ${nowMs}`);
          }
        }
      };
      for (const event of script) {
        if (event.kind === 'time') nowMs += event.ms;
        else if (event.kind === 'target')
          world = { ...world, target: { root: event.target.root, roots: [event.target.root, ...event.target.more] } };
        else if (event.kind === 'renew') renew(workloads[event.workload] ?? assert.fail(), event.replica);
        else if (event.kind === 'leader') leader = event.replica;
        else if (event.kind === 'look') follow(replicaAt(event.replica), world);
        else {
          // A fresh replica knows what the published bundle says; where that is not enough it does not serve, so the
          // other one is asked instead.
          const fresh = start(replicaAt(leader).present, world);
          if (fresh !== undefined && event.replica !== leader) replicas[event.replica] = fresh;
        }
        act();
        // Workloads renew at half of their certificates' life, replicas look far more often.
        for (const replica of replicas) if (event.kind === 'time') follow(replica, world);
        for (const [index, workload] of workloads.entries()) {
          if (nowMs - workload.renewedAtMs > stepMs / 2) renew(workload, index % 2);
        }
        checkAll();
      }
      // Left alone, every rotation ends with what the operator wanted.
      for (let round = 0; round < 12; round += 1) {
        nowMs += stepMs / 2;
        act();
        for (const replica of replicas) follow(replica, world);
        for (const [index, workload] of workloads.entries()) renew(workload, index % 2);
        checkAll();
      }
      assert.equal(world.rotation, undefined);
      for (const replica of replicas) assert.deepEqual(new Set(replica.present.roots), new Set(world.target.roots));
      for (const replica of replicas) assert.equal(replica.present.root, world.target.root);
    }),
    { numRuns: 1000 },
  );
});
