import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { compareText, type Collection } from './collection.ts';
import { derive } from './derived-collection.ts';
import { Graph } from './graph.ts';
import { join } from './joined-collection.ts';
import { singleton, singletonKey } from './singleton.ts';
import { SourceCollection } from './source-collection.ts';

interface Pod {
  readonly name: string;
  readonly app: string;
  readonly ip: string;
}
interface Service {
  readonly name: string;
  readonly app: string;
}
interface Workload {
  readonly pod: string;
  readonly services: readonly string[];
  readonly region: string;
}

/** A small model of the real thing: pods select services by index, read a node by key and a policy from everything. */
function build(): {
  graph: Graph;
  pods: SourceCollection<Pod>;
  services: SourceCollection<Service>;
  settings: SourceCollection<{ name: string; value: string }>;
  workloads: Collection<Workload>;
  byIp: Collection<{ ip: string; pod: string }>;
  runs: string[];
} {
  const graph = new Graph();
  const pods = new SourceCollection<Pod>(graph, 'pods', (pod) => pod.name);
  const services = new SourceCollection<Service>(graph, 'services', (service) => service.name);
  const settings = new SourceCollection<{ name: string; value: string }>(graph, 'settings', (item) => item.name);
  const byApp = services.index('by-app', (service) => [service.app]);
  const count = singleton(graph, 'count', (context) => ({ enabled: context.all(settings).length > 1 }));
  const runs: string[] = [];
  const workloads = derive<Pod, Workload>(graph, {
    name: 'workloads',
    from: pods,
    keyOf: (workload) => workload.pod,
    transform: (pod, context) => {
      runs.push(pod.name);
      const region = context.get(settings, pod.app)?.value ?? '';
      const enabled = context.get(count, singletonKey)?.enabled === true;
      if (pod.ip === 'x' && !enabled) return [];
      return [
        {
          pod: pod.name,
          services: context
            .lookup(byApp, pod.app)
            .map((service) => service.name)
            .toSorted(compareText),
          region,
        },
      ];
    },
  });
  const byIp = derive<Pod, { ip: string; pod: string }>(graph, {
    name: 'by-ip',
    from: pods,
    keyOf: (entry) => entry.ip,
    transform: (pod, context) =>
      context.get(workloads, pod.name) === undefined
        ? []
        : [
            { ip: pod.ip, pod: pod.name },
            { ip: `${pod.ip}/b`, pod: pod.name },
          ],
  });
  return { graph, pods, services, settings, workloads, byIp, runs };
}

const web: Pod = { name: 'web', app: 'web', ip: '1' };

test('only the runs whose reads changed run again', () => {
  const { pods, services, settings, workloads, runs } = build();
  pods.replace([web, { name: 'db', app: 'db', ip: '2' }]);
  runs.length = 0;
  services.set({ name: 'front', app: 'web' });
  assert.deepEqual(runs, ['web']);
  settings.set({ name: 'db', value: 'eu' });
  assert.deepEqual(runs, ['web', 'db']);
  services.set({ name: 'other', app: 'nothing' });
  assert.deepEqual(runs, ['web', 'db']);
  assert.deepEqual(workloads.get('web')?.services, ['front']);
  assert.equal(workloads.get('db')?.region, 'eu');
});

test('a read of something absent runs again when it appears', () => {
  const { pods, settings, workloads } = build();
  pods.set(web);
  assert.equal(workloads.get('web')?.region, '');
  settings.set({ name: 'web', value: 'us' });
  assert.equal(workloads.get('web')?.region, 'us');
});

test('an equal result tells nobody anything', () => {
  const { pods, workloads } = build();
  pods.set(web);
  const seen: unknown[] = [];
  using _subscription = workloads.subscribe((changes) => seen.push(changes));
  pods.set({ ...web, ip: '9' });
  assert.deepEqual(seen, []);
});

test('changes of one update are told once, with what was before it', () => {
  const { graph, pods, services, workloads } = build();
  pods.set(web);
  const seen: unknown[] = [];
  using _subscription = workloads.subscribe((changes) => seen.push(...changes));
  graph.update(() => {
    services.set({ name: 'a', app: 'web' });
    services.set({ name: 'b', app: 'web' });
    pods.set({ name: 'gone', app: 'web', ip: '3' });
    pods.delete('gone');
  });
  const before = { pod: 'web', services: [], region: '' };
  assert.deepEqual(seen, [{ kind: 'update', key: 'web', item: { ...before, services: ['a', 'b'] }, previous: before }]);
});

test('of two outputs with one key the input with the smallest key counts, whatever came first', () => {
  const { pods, byIp } = build();
  pods.set({ ...web, name: 'z' });
  assert.equal(byIp.get('1')?.pod, 'z');
  pods.set({ ...web, name: 'a' });
  assert.equal(byIp.get('1')?.pod, 'a');
  pods.delete('a');
  assert.equal(byIp.get('1')?.pod, 'z');
});

test('a collection must not read one that was made after it', () => {
  const graph = new Graph();
  const source = new SourceCollection<string>(graph, 'source', (item) => item);
  const later: { made?: Collection<string> } = {};
  derive<string, string>(graph, {
    name: 'early',
    from: source,
    keyOf: (item) => item,
    transform: (item, context) => (later.made === undefined ? [] : [context.get(later.made, item) ?? '']),
  });
  later.made = new SourceCollection<string>(graph, 'later', (item) => item);
  assert.throws(() => source.set('x'), /early must not read later, which was made after it/);
});

test('sources must not be updated from a subscriber', () => {
  const graph = new Graph();
  const source = new SourceCollection<string>(graph, 'source', (item) => item);
  using _subscription = source.subscribe(() => source.set('y'));
  assert.throws(() => source.set('x'), /must not be updated/);
});

const name = fc.constantFrom('a', 'b', 'c', 'd');
const podChange = fc.record({
  on: fc.constant('pods' as const),
  drop: fc.boolean(),
  item: fc.record({ name, app: name, ip: fc.constantFrom('1', '2', 'x') }),
});
const serviceChange = fc.record({
  on: fc.constant('services' as const),
  drop: fc.boolean(),
  item: fc.record({ name, app: name }),
});
const settingChange = fc.record({
  on: fc.constant('settings' as const),
  drop: fc.boolean(),
  item: fc.record({ name, value: name }),
});
const changes = fc.array(fc.array(fc.oneof(podChange, serviceChange, settingChange), { maxLength: 4 }), {
  maxLength: 12,
});

function sorted<T>(collection: Collection<T>): readonly (readonly [string, T])[] {
  return [...collection.entries()].toSorted(([a], [b]) => compareText(a, b));
}

test('what a run gives again is not kept beside what it gave before', async () => {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  assert.ok(typeof collect === 'function');
  const graph = new Graph();
  const pods = new SourceCollection<Pod>(graph, 'pods', (pod) => pod.name);
  const made: WeakRef<object>[] = [];
  const names = derive<Pod, { readonly name: string }>(graph, {
    name: 'names',
    from: pods,
    keyOf: ({ name }) => name,
    transform: ({ name }) => {
      const output = { name };
      made.push(new WeakRef(output));
      return [output];
    },
  });
  const set = (ip: string): void => graph.update(() => pods.set({ name: 'a', app: 'x', ip }));
  for (const ip of ['1', '2', '3']) set(ip);
  // A reference is held until its turn is over.
  await new Promise((resolve) => setImmediate(resolve));
  Reflect.apply(collect, undefined, []);
  const left = made.map((output) => output.deref());
  assert.deepEqual(left, [names.get('a'), undefined, undefined]);
});

test('the incremental result equals a computation from scratch', () => {
  fc.assert(
    fc.property(changes, (batches) => {
      const model = build();
      const joined = join<object>(model.graph, 'joined', [model.byIp, model.workloads]);
      const replayed = new Map<string, object>();
      using _subscription = joined.subscribe((batch) => {
        for (const change of batch) {
          assert.deepEqual(replayed.get(change.key), change.kind === 'add' ? undefined : change.previous);
          if (change.kind === 'delete') replayed.delete(change.key);
          else replayed.set(change.key, change.item);
        }
      });
      for (const batch of batches) {
        model.graph.update(() => {
          for (const change of batch) {
            if (change.drop) model[change.on].delete(change.item.name);
            else if (change.on === 'pods') model.pods.set(change.item);
            else if (change.on === 'services') model.services.set(change.item);
            else model.settings.set(change.item);
          }
        });
      }
      const scratch = build();
      scratch.settings.replace(model.settings.values());
      scratch.services.replace(model.services.values());
      scratch.pods.replace(model.pods.values());
      assert.deepEqual(sorted(model.workloads), sorted(scratch.workloads));
      assert.deepEqual(sorted(model.byIp), sorted(scratch.byIp));
      assert.deepEqual(
        [...replayed].toSorted(([a], [b]) => compareText(a, b)),
        sorted(joined),
      );
    }),
    { numRuns: 300, seed: 20261121 },
  );
});
