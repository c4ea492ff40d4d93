import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetError } from '@ambit/net';
import { AmbitError, loadConfig } from '@ambit/runtime';
import { DataWorkers } from './data-workers.ts';
import { dataSettings } from './derived-settings.ts';
import { ztunnelConfig } from './ztunnel-config.ts';

const entry = new URL('../../testdata/echo-worker.ts', import.meta.url);
const info = { name: 'web', namespace: 'shop', serviceAccount: 'web' };

interface Rig extends Disposable {
  readonly workers: DataWorkers;
  readonly told: string[];
}

async function rig(environment: Readonly<Record<string, string>> = {}, count = 2): Promise<Rig> {
  const told: string[] = [];
  const { config } = loadConfig(ztunnelConfig, { NODE_NAME: 'n', ...environment });
  const workers = new DataWorkers({
    count,
    entry,
    settings: dataSettings(config),
    onReport: (id, report) => {
      if (report.kind === 'log') told.push(`${id} ${String(report.fields['told'])}`);
    },
    onDeath: (error) => {
      throw error;
    },
  });
  await workers.ready();
  return { workers, told, [Symbol.dispose]: () => workers.stop() };
}

test('a pod is up when every worker has opened its listeners', async () => {
  using up = await rig();
  await up.workers.addProxy('u1', info, () => undefined);
  assert.deepEqual(up.told.toSorted(), ['0 proxyAdd', '1 proxyAdd']);
});

test('a pod that one worker cannot serve is served by none', async () => {
  using up = await rig();
  const adding = up.workers.addProxy('u1', { ...info, name: 'bad-1' }, () => undefined);
  await assert.rejects(adding, (error) => error instanceof AmbitError && error.message === 'port taken');
  await up.workers.connections();
  assert.deepEqual(up.told.filter((line) => line.endsWith('proxyRemove')).toSorted(), [
    '0 proxyRemove',
    '1 proxyRemove',
  ]);
});

test('without port reuse each pod has one worker, and the pods are spread', async () => {
  using up = await rig({ INPOD_PORT_REUSE: 'false' });
  for (const uid of ['u1', 'u2', 'u3', 'u4']) await up.workers.addProxy(uid, info, () => undefined);
  assert.equal(up.told.filter((line) => line.startsWith('0')).length, 2);
  assert.equal(up.told.filter((line) => line.startsWith('1')).length, 2);
});

test('removing a pod that is being started ends the wait', async () => {
  using up = await rig();
  const adding = up.workers.addProxy('u1', info, () => undefined);
  up.workers.removeProxy('u1');
  await assert.rejects(adding, /removed while it was being started/);
});

test('connections of all workers are put together', async () => {
  using up = await rig();
  const pods = await up.workers.connections();
  assert.deepEqual(pods['u1']?.inbound.map(({ src }) => src).toSorted(), ['10.0.0.0:1', '10.0.0.1:1']);
});

test('a drain ends when all workers have drained and counts what was cut', async () => {
  using up = await rig();
  assert.equal(await up.workers.drain(5_000), 3);
});

test('messages reach a sleeping worker in the order in which they were posted', async () => {
  using up = await rig({}, 1);
  up.workers.post({ kind: 'proxyRemove', uid: 'a' });
  up.workers.post({ kind: 'logLevels', directives: 'info' });
  up.workers.postTo(0, { kind: 'demanded', name: 'x' });
  await up.workers.connections();
  assert.deepEqual(up.told, ['0 proxyRemove', '0 logLevels', '0 demanded', '0 listConnections']);
});

test('the death of a worker is reported', async () => {
  const death = Promise.withResolvers<NetError>();
  const { config } = loadConfig(ztunnelConfig, { NODE_NAME: 'n' });
  const workers = new DataWorkers({
    count: 1,
    entry: new URL('data:text/javascript,throw new Error("boom")'),
    settings: dataSettings(config),
    onReport: () => undefined,
    onDeath: death.resolve,
  });
  await assert.rejects(workers.ready(), /data worker 0 ended/);
  assert.equal((await death.promise).code, 'WORKER_DIED');
});
