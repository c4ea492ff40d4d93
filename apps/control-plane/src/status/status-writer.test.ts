import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Graph, SourceCollection } from '@ambit/collections';
import { KubeError } from '@ambit/kube';
import { ManualClock } from '@ambit/runtime';
import { type StatusWrite, statusWriteKey } from '../derive/status-write.ts';
import { writeStatuses } from './status-writer.ts';

type Json = Readonly<Record<string, unknown>>;
type Client = Parameters<typeof writeStatuses>[0]['client'];

interface Rig extends AsyncDisposable {
  readonly statuses: SourceCollection<StatusWrite>;
  readonly clock: ManualClock;
  /** What was applied, as it was sent. */
  readonly applied: { readonly name: string; readonly manager: string; readonly object: Json }[];
  readonly warnings: string[];
  settled(): Promise<void>;
}

const condition = { type: 'ZtunnelAccepted', status: 'True', reason: 'Accepted', message: 'm' } as const;

function policy(name: string): StatusWrite {
  const base = { kind: 'AuthorizationPolicy', namespace: 'shop', name, generation: 1 } as const;
  return { ...base, fieldManager: 'ambit-status', conditions: [condition] };
}

function addresses(name: string, value: string): StatusWrite {
  const base = { kind: 'ServiceEntry', namespace: 'shop', name, generation: 1 } as const;
  return { ...base, fieldManager: 'ambit-addresses', addresses: [{ value, host: 'h' }] };
}

/** The definitions merge conditions by type when `merges`; `apply` decides what happens to each write. */
function rig(options: {
  readonly merges: boolean;
  readonly live?: Json;
  readonly apply?: (call: number) => void;
}): Rig {
  const graph = new Graph();
  const statuses = new SourceCollection<StatusWrite>(graph, 'statuses', statusWriteKey);
  const clock = new ManualClock();
  const applied: { name: string; manager: string; object: Json }[] = [];
  const warnings: string[] = [];
  const listType = options.merges ? { 'x-kubernetes-list-type': 'map' } : {};
  const schema = { properties: { status: { properties: { conditions: listType } } } };
  const versions = [{ name: 'v1', schema: { openAPIV3Schema: schema } }];
  const client: Client = {
    get: async ({ kind }) => (kind.kind === 'CustomResourceDefinition' ? { spec: { versions } } : options.live),
    apply: async (ref, object, { fieldManager }) => {
      applied.push({ name: ref.name, manager: fieldManager, object });
      options.apply?.(applied.length);
    },
  };
  const log = {
    debug: () => undefined,
    info: () => undefined,
    warn: (fields: object) => void warnings.push(JSON.stringify(fields)),
  };
  const stop = new AbortController();
  const running = writeStatuses({ client, statuses, log, clock }, stop.signal);
  return {
    statuses,
    clock,
    applied,
    warnings,
    settled: () => new Promise((resolve) => setImmediate(() => setImmediate(resolve))),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

test('what still differs is written once, by its field manager', async () => {
  await using it = rig({ merges: true });
  it.statuses.set(policy('a'));
  await it.settled();
  const sent = { ...condition, lastTransitionTime: '2026-01-01T00:00:00Z' };
  assert.deepEqual(it.applied, [{ name: 'a', manager: 'ambit-status', object: { status: { conditions: [sent] } } }]);
  it.statuses.delete(statusWriteKey(policy('a')));
  await it.settled();
  assert.equal(it.applied.length, 1);
});

test('where a list is replaced as a whole the conditions of others go along, for the version they are from', async () => {
  const others = { type: 'example.com/Checked', status: 'True' };
  const old = { type: 'ZtunnelAccepted', status: 'False' };
  const live = { metadata: { resourceVersion: '7' }, status: { conditions: [others, old] } };
  await using it = rig({ merges: false, live });
  it.statuses.set(policy('a'));
  await it.settled();
  const sent = { ...condition, lastTransitionTime: '2026-01-01T00:00:00Z' };
  const object = { metadata: { resourceVersion: '7' }, status: { conditions: [others, sent] } };
  assert.deepEqual(it.applied[0]?.object, object);
});

test('of the parents of a route those of other controllers stay as they are', async () => {
  const foreign = { parentRef: { name: 'theirs' }, controllerName: 'example.com/other', conditions: [{ type: 'X' }] };
  const stale = { parentRef: { name: 'gone' }, controllerName: 'ambit.dev/mesh-controller', conditions: [] };
  const live = { metadata: { resourceVersion: '7' }, status: { parents: [stale, foreign] } };
  await using it = rig({ merges: true, live });
  const parent = { parentRef: { name: 'web' }, controllerName: 'ambit.dev/mesh-controller' };
  it.statuses.set({
    kind: 'HTTPRoute',
    namespace: 'shop',
    name: 'r',
    generation: 2,
    fieldManager: 'ambit-status',
    parents: [{ ...parent, conditions: [condition] }],
    ownControllers: ['ambit.dev/mesh-controller'],
  });
  await it.settled();
  const sent = { ...parent, conditions: [{ ...condition, lastTransitionTime: '2026-01-01T00:00:00Z' }] };
  const object = { metadata: { resourceVersion: '7' }, status: { parents: [foreign, sent] } };
  assert.deepEqual(it.applied[0]?.object, object);
});

test('a write that fails is tried again, and later each time', async () => {
  const apply = (call: number): void => {
    if (call < 3) throw new KubeError('SERVER', 'no');
  };
  await using it = rig({ merges: true, apply });
  it.statuses.set(policy('a'));
  await it.settled();
  assert.equal(it.applied.length, 1);
  it.clock.advance(700);
  await it.settled();
  assert.equal(it.applied.length, 2);
  it.clock.advance(650);
  await it.settled();
  assert.equal(it.applied.length, 2);
  it.clock.advance(700);
  await it.settled();
  assert.deepEqual([it.applied.length, it.warnings.length], [3, 2]);
  it.clock.advance(600_000);
  await it.settled();
  assert.equal(it.applied.length, 3);
});

test('an object that is gone is nobody’s problem', async () => {
  const apply = (): void => {
    throw new KubeError('NOT_FOUND', 'gone');
  };
  await using it = rig({ merges: true, apply });
  it.statuses.set(policy('a'));
  await it.settled();
  it.clock.advance(600_000);
  await it.settled();
  assert.deepEqual([it.applied.length, it.warnings], [1, []]);
});

test('an address that was just given to another entry is not given twice', async () => {
  await using it = rig({ merges: true });
  it.statuses.set(addresses('a', '240.240.0.1'));
  await it.settled();
  it.statuses.set(addresses('b', '240.240.0.1'));
  await it.settled();
  assert.deepEqual(
    it.applied.map(({ name }) => name),
    ['a'],
  );
  it.statuses.set(addresses('b', '240.240.0.2'));
  await it.settled();
  assert.deepEqual(
    it.applied.map(({ name }) => name),
    ['a', 'b'],
  );
});
