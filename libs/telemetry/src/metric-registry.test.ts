import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import fc from 'fast-check';
import { type MetricAnnouncement, MetricRegistry } from './index.ts';

const LABELS = ['reporter', 'workload'] as const;

/** A worker's registry whose announcements reach `main` at once. */
function writerOf(main: MetricRegistry, source: string, nowMs: () => number = () => 0): MetricRegistry {
  return new MetricRegistry({
    announce: (message) => main.mirror(source, structuredClone(message)),
    nowMs,
    idleMs: 1000,
  });
}

function samples(registry: MetricRegistry): string[] {
  return registry
    .expose()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

test('a family is absent until its first series, then shows HELP, TYPE and the sample with _total', () => {
  const registry = new MetricRegistry();
  const family = registry.counter({
    name: 'istio_tcp_connections_opened',
    help: 'The total number of TCP connections opened',
    labels: registry.labels(LABELS),
  });
  assert.equal(registry.expose(), '# EOF\n');
  const series = family.bind(['source', 'a']);
  series.inc();
  series.add(2);
  series.add(-5);
  assert.equal(
    registry.expose(),
    [
      '# HELP istio_tcp_connections_opened The total number of TCP connections opened.',
      '# TYPE istio_tcp_connections_opened counter',
      'istio_tcp_connections_opened_total{reporter="source",workload="a"} 3',
      '# EOF',
      '',
    ].join('\n'),
  );
});

test('label values are escaped', () => {
  const registry = new MetricRegistry();
  registry
    .gauge({ name: 'g', help: 'G.', labels: registry.labels(['l']) })
    .bind(['a"b\\c\nd'])
    .set(1.5);
  assert.deepEqual(samples(registry), ['g{l="a\\"b\\\\c\\nd"} 1.5']);
});

test('a histogram shows sum, count and cumulative buckets with le first', () => {
  const registry = new MetricRegistry();
  const histogram = registry.histogram({ name: 'h', help: 'H', labels: registry.labels(['p']) }, [0.5, 1]).bind(['x']);
  for (const value of [0.5, 0.6, 7]) histogram.observe(value);
  histogram.observe(Number.NaN);
  assert.deepEqual(samples(registry), [
    'h_sum{p="x"} 8.1',
    'h_count{p="x"} 3',
    'h_bucket{le="0.5",p="x"} 1',
    'h_bucket{le="1.0",p="x"} 2',
    'h_bucket{le="+Inf",p="x"} 3',
  ]);
});

test('series of several writers with the same labels are added up', () => {
  const main = new MetricRegistry();
  for (const source of ['worker-0', 'worker-1']) {
    const writer = writerOf(main, source);
    writer
      .counter({ name: 'c', help: 'C', labels: writer.labels(LABELS) })
      .bind(['source', 'a'])
      .add(21);
  }
  assert.deepEqual(samples(main), ['c_total{reporter="source",workload="a"} 42']);
});

test('values written by a blocked worker thread are seen without asking it', async () => {
  const main = new MetricRegistry();
  const gate = new SharedArrayBuffer(4);
  const code = `
    import { MetricRegistry } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
    import { parentPort, workerData } from 'node:worker_threads';
    const registry = new MetricRegistry({ announce: (message) => parentPort.postMessage(message) });
    const counter = registry.counter({ name: 'c', help: 'C', labels: registry.labels(['w']) }).bind(['blocked']);
    parentPort.postMessage('bound');
    const gate = new Int32Array(workerData);
    Atomics.wait(gate, 0, 0);
    for (let index = 0; index < 1000; index += 1) counter.inc();
    Atomics.store(gate, 0, 2);
    Atomics.notify(gate, 0);
    Atomics.wait(gate, 0, 2);
  `;
  const url = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
  await using worker = new Worker(url, { workerData: gate, execArgv: [] });
  const bound = Promise.withResolvers<void>();
  worker.on('message', (message: MetricAnnouncement | 'bound') => {
    if (message === 'bound') bound.resolve();
    else main.mirror('worker', message);
  });
  await Promise.race([bound.promise, once(worker, 'error').then(([error]) => assert.fail(error))]);
  assert.deepEqual(samples(main), ['c_total{w="blocked"} 0']);
  const flag = new Int32Array(gate);
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
  assert.notEqual(Atomics.wait(flag, 0, 1, 10_000), 'timed-out');
  assert.deepEqual(samples(main), ['c_total{w="blocked"} 1000']);
  Atomics.store(flag, 0, 3);
  Atomics.notify(flag, 0);
});

test('beyond the budget new label sets share one overflow series, which is counted', () => {
  const registry = new MetricRegistry({ maxSeries: 2 });
  const family = registry.counter({ name: 'c', help: 'C', labels: registry.labels(LABELS) });
  for (const name of ['a', 'b', 'c', 'd']) family.bind(['source', name]).inc();
  assert.deepEqual(samples(registry), [
    'c_total{reporter="source",workload="a"} 1',
    'c_total{reporter="source",workload="b"} 1',
    'c_total{reporter="overflow",workload="overflow"} 2',
    'ambit_metrics_series_overflow_total{family="c"} 2',
  ]);
});

test('a value with NUL cannot name a series', () => {
  const registry = new MetricRegistry();
  const family = registry.counter({ name: 'c', help: 'C', labels: registry.labels(LABELS) });
  family.bind(['x', 'y']).inc();
  family.bind(['x\u0000y', '']).inc();
  assert.deepEqual(samples(registry), [
    'c_total{reporter="x",workload="y"} 1',
    'c_total{reporter="overflow",workload="overflow"} 1',
  ]);
});

test('an idle series is retired at its writer, its count stays until nobody counts it any more', () => {
  let now = 0;
  const main = new MetricRegistry({ nowMs: () => now, idleMs: 1000 });
  const writers = ['one', 'two'].map((source) => writerOf(main, source, () => now));
  const [idle, busy] = writers.map((writer) =>
    writer.counter({ name: 'c', help: 'C', labels: writer.labels(LABELS) }).bind(['source', 'a']),
  );
  idle?.add(5);
  busy?.add(1);
  idle?.release();
  const sweepAll = (): void => [...writers, main].forEach((registry) => registry.sweep());
  sweepAll();
  now = 2000;
  sweepAll();
  idle?.add(100);
  assert.deepEqual(samples(main), ['c_total{reporter="source",workload="a"} 6'], 'the retired part no longer counts');
  busy?.release();
  for (now of [2500, 4000, 8000]) sweepAll();
  assert.equal(main.expose(), '# EOF\n');
});

test('a held series is never retired', () => {
  let now = 0;
  const registry = new MetricRegistry({ nowMs: () => now, idleMs: 10 });
  const series = registry.counter({ name: 'c', help: 'C' }).bind([]);
  for (now of [100, 200, 300]) registry.sweep();
  series.inc();
  assert.deepEqual(samples(registry), ['c_total 1']);
});

test('the slots of a retired series are not reused before readers can have heard of it', () => {
  let now = 0;
  const announcements: MetricAnnouncement[] = [];
  const registry = new MetricRegistry({
    announce: (message) => announcements.push(message),
    nowMs: () => now,
    idleMs: 10,
  });
  const family = registry.counter({ name: 'c', help: 'C', labels: registry.labels(['l']) });
  const offsetOf = (name: string): number | undefined =>
    announcements.filter((message) => message.kind === 'series').find((message) => message.labelValues[0] === name)
      ?.offset;
  family.bind(['first']).release();
  now = 100;
  registry.sweep();
  family.bind(['second']).inc();
  assert.notEqual(offsetOf('second'), offsetOf('first'));
  now = 100_000;
  registry.sweep();
  const third = family.bind(['third']);
  assert.equal(offsetOf('third'), offsetOf('first'));
  assert.equal(third.value, 0);
});

test('a writer that ended keeps its share of the sums', () => {
  const main = new MetricRegistry();
  const first = writerOf(main, 'worker');
  first.counter({ name: 'c', help: 'C' }).bind([]).add(7);
  main.forget('worker');
  const second = writerOf(main, 'worker');
  second.counter({ name: 'c', help: 'C' }).bind([]).add(1);
  assert.deepEqual(samples(main), ['c_total 8']);
});

test('names that scrapers would refuse are refused', () => {
  const registry = new MetricRegistry();
  assert.throws(() => registry.counter({ name: 'a_total', help: '' }), RangeError);
  assert.throws(() => registry.counter({ name: '1a', help: '' }), RangeError);
  assert.throws(() => registry.labels(['a-b']), RangeError);
  assert.throws(() => registry.labels(['a', 'a']), RangeError);
  assert.throws(() => registry.histogram({ name: 'h', help: '' }, [2, 1]), RangeError);
  registry.gauge({ name: 'twice', help: '' });
  assert.throws(() => registry.gauge({ name: 'twice', help: '' }), RangeError);
});

test('messages that do not fit what was announced before are refused', () => {
  const main = new MetricRegistry();
  const series = { kind: 'series', family: 'c', segment: 0, offset: 0, labelValues: [] } as const;
  assert.throws(() => main.mirror('w', series), /before its family/);
  const descriptor = { name: 'c', kind: 'counter', help: '', labelNames: [], maxSeries: 1, boundaries: [] } as const;
  main.mirror('w', { kind: 'family', descriptor });
  main.mirror('w', { kind: 'segment', segment: 0, buffer: new SharedArrayBuffer(8) });
  assert.throws(() => main.mirror('w', { ...series, offset: 1 }), /outside its segment/);
  assert.throws(
    () => main.mirror('w', { kind: 'family', descriptor: { ...descriptor, kind: 'gauge' } }),
    /declared twice/,
  );
});

const ascending = (one: number, other: number): number => one - other;

test('whatever is bound and added, the exposition equals a plain map of sums', () => {
  const step = fc.record({
    writer: fc.nat(2),
    label: fc.string({ maxLength: 3, unit: 'grapheme' }),
    amount: fc.nat(9),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const main = new MetricRegistry();
      const families = ['w0', 'w1', 'w2'].map((source) => {
        const writer = writerOf(main, source);
        return writer.gauge({ name: 'g', help: 'G', labels: writer.labels(['l']) });
      });
      const expected = new Map<string, number>();
      for (const { writer, label, amount } of steps) {
        families[writer]?.bind([label]).add(amount);
        expected.set(label, (expected.get(label) ?? 0) + amount);
      }
      const seen = samples(main).map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
      assert.deepEqual(seen.toSorted(ascending), [...expected.values()].toSorted(ascending));
    }),
    { numRuns: 100, seed: 7 },
  );
});
