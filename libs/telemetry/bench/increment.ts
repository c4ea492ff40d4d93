/** Cost of the hot operations of libs/telemetry. Run: node libs/telemetry/bench/increment.ts */
import { MetricRegistry } from '../src/index.ts';

const registry = new MetricRegistry({ announce: () => {} });
const names = Array.from({ length: 30 }, (_, index) => `label_${index}`);
const values = names.map((name) => `value-of-${name}`);
const schema = registry.labels(names);
const family = registry.counter({ name: 'bench_counter', help: 'Bench', labels: schema });
const histogram = registry.histogram({ name: 'bench_histogram', help: 'Bench', labels: schema }, [0.001, 0.01, 0.1, 1]);
const counter = family.bind(values);
const observed = histogram.bind(values);
const set = schema.set(values);

function measure(name: string, rounds: number, step: (round: number) => void): void {
  for (let round = 0; round < rounds / 10; round += 1) step(round);
  const start = process.hrtime.bigint();
  for (let round = 0; round < rounds; round += 1) step(round);
  const nanoseconds = Number(process.hrtime.bigint() - start) / rounds;
  process.stdout.write(`${name.padEnd(44)} ${nanoseconds.toFixed(1)} ns\n`);
}

measure('counter.inc', 50_000_000, () => counter.inc());
measure('counter.add', 50_000_000, (round) => counter.add(round & 1023));
measure('histogram.observe', 20_000_000, (round) => observed.observe((round & 7) / 8));
measure('family.bind(set) + release', 5_000_000, () => family.bind(set).release());
measure('family.bind(30 values) + release', 500_000, () => family.bind(values).release());
const before = process.memoryUsage().heapUsed;
for (let round = 0; round < 10_000_000; round += 1) counter.inc();
process.stdout.write(`heap growth of 10 M increments: ${process.memoryUsage().heapUsed - before} bytes\n`);

const main = new MetricRegistry();
const tenThousand = main.counter({
  name: 'bench_scrape',
  help: 'Bench',
  labels: main.labels(['a', 'b', 'c']),
  maxSeries: 20_000,
});
for (let index = 0; index < 10_000; index += 1)
  tenThousand.bind([`a${index}`, 'some-workload', 'some-namespace']).inc();
main.expose();
const start = performance.now();
main.expose();
process.stdout.write(`exposition of 10,000 series: ${(performance.now() - start).toFixed(1)} ms\n`);
