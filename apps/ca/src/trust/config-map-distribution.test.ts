import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { KubeError, type ObjectRef, type PlainObject } from '@ambit/kube';
import { ManualClock } from '@ambit/runtime';
import { makeTestCa } from '@ambit/testing';
import { ConfigMapDistribution, type ConfigMapDistributionOptions } from './config-map-distribution.ts';
import { rootMap } from './root-config-map.ts';

type Client = ConfigMapDistributionOptions['client'];
const { rootsPem } = makeTestCa();

/** Runs until `ending` is aborted, while five milliseconds of the clock pass in every turn of the loop. */
async function runInTime(distribution: ConfigMapDistribution, clock: ManualClock, ending: AbortSignal): Promise<void> {
  const running = distribution.run(ending);
  for (; !ending.aborted; await turn()) clock.advance(5);
  await running;
}

/** An API server with namespaces, whose ConfigMaps somebody else overwrites as soon as they are written. */
class RivalServer {
  readonly writtenAtMs: number[] = [];
  readonly #clock: ManualClock;
  readonly #namespaces: readonly string[];
  #rival: ((line: unknown) => void) | undefined;
  #version = 10;

  constructor(clock: ManualClock, namespaces: readonly string[]) {
    this.#clock = clock;
    this.#namespaces = namespaces;
  }

  readonly client: Client = {
    getPath: () => Promise.resolve({}),
    listPage: () => Promise.reject(new KubeError('BAD_REQUEST', 'lists are streamed here')),
    watch: (kind, { signal }) => this.#watch(kind.plural === 'namespaces' ? this.#namespaces : undefined, signal),
    apply: (ref) => this.#apply(ref),
  };

  async *#watch(
    namespaces: readonly string[] | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<readonly unknown[], void, void> {
    const lines: unknown[] = (namespaces ?? []).map((name) => ({
      type: 'ADDED',
      object: { metadata: { name, resourceVersion: '1' } },
    }));
    const annotations = { 'k8s.io/initial-events-end': 'true' };
    lines.push({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '2', annotations } } });
    yield lines.splice(0);
    let wake = (): void => undefined;
    if (namespaces === undefined) {
      this.#rival = (line) => {
        lines.push(line);
        wake();
      };
    }
    signal.addEventListener('abort', () => wake(), { once: true });
    while (!signal.aborted) {
      if (lines.length > 0) yield lines.splice(0);
      else await new Promise<void>((resolve) => (wake = resolve));
    }
    signal.throwIfAborted();
  }

  async #apply(ref: ObjectRef): Promise<void> {
    this.writtenAtMs.push(this.#clock.nowMs());
    const metadata = { name: ref.name, namespace: ref.namespace, resourceVersion: String((this.#version += 1)) };
    const object: PlainObject = { metadata, data: { 'root-cert.pem': 'of the rival' } };
    setImmediate(() => this.#rival?.({ type: 'MODIFIED', object }));
  }
}

test('somebody else who overwrites the roots is answered ever more slowly', { timeout: 20_000 }, async () => {
  const clock = new ManualClock();
  const server = new RivalServer(clock, ['shop']);
  const ending = new AbortController();
  const distribution = new ConfigMapDistribution({
    client: server.client,
    clock,
    selector: undefined,
    map: rootMap(() => ({ rootsPem, signingRoot: 'A' })),
    onWritten: () => {
      if (server.writtenAtMs.length === 4) ending.abort();
    },
    onError: (_namespace, error) => assert.fail(error.message),
  });
  assert.equal(distribution.isComplete, false);
  await runInTime(distribution, clock, ending.signal);
  const [a = 0, b = 0, c = 0, d = 0] = server.writtenAtMs;
  const pauses = [b - a, c - b, d - c];
  // A write is seen again some turns after it.
  const least = [250, 500, 1_000];
  assert.ok(
    pauses.every((pause, i) => pause >= (least[i] ?? 0) && pause < (least[i] ?? 0) + 200),
    `pauses ${pauses.join(', ')}`,
  );
});

test('a namespace that refuses is tried again and holds up no other', { timeout: 20_000 }, async () => {
  const clock = new ManualClock();
  const server = new RivalServer(clock, ['broken', 'fine']);
  const ending = new AbortController();
  const outcomes: string[] = [];
  const distribution = new ConfigMapDistribution({
    client: {
      ...server.client,
      apply: (ref) =>
        ref.namespace === 'broken' ? Promise.reject(new KubeError('FORBIDDEN', 'no')) : Promise.resolve(),
    },
    clock,
    selector: undefined,
    map: rootMap(() => ({ rootsPem, signingRoot: 'A' })),
    onWritten: (namespace) => void outcomes.push(`${namespace} written`),
    onError: (namespace) => {
      outcomes.push(`${namespace} failed`);
      assert.equal(distribution.isComplete, false);
      if (outcomes.length >= 4) ending.abort();
    },
  });
  await runInTime(distribution, clock, ending.signal);
  assert.deepEqual(outcomes.toSorted(), ['broken failed', 'broken failed', 'broken failed', 'fine written']);
});
