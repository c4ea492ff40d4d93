import assert from 'node:assert/strict';
import { mkdtempDisposableSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { contentKey, isBuilt, buildOnce } from './build/built-record.ts';
import { parsePackageList } from './build/debian-packages.ts';
import { readLabSettings } from './lab-settings.ts';
import { shellExports } from './cli/shell-exports.ts';
import { BackgroundProcesses } from './machine/background-process.ts';
import { hasSysResource } from './machine/capabilities.ts';
import { waitUntil } from './machine/wait-until.ts';

test('a background process is known by id and start time, and ends with its children', async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-process-'));
  const folders = { processes: join(folder.path, 'pid'), logs: join(folder.path, 'log') };
  const processes = new BackgroundProcesses(folders, process.env['PATH'] ?? '');
  await processes.start('sleeper', { argv: ['sh', '-c', 'echo begun; sleep 60 & wait'] });
  const pid = processes.pid('sleeper');
  assert.ok(pid !== undefined);
  assert.deepEqual(processes.names(), ['sleeper']);
  // Somebody else with the same id is not it.
  writeFileSync(join(folders.processes, 'other'), `${pid} 1\n`);
  assert.equal(processes.pid('other'), undefined);
  processes.stop('sleeper');
  assert.ok(await waitUntil(5_000, () => !isAlive(-pid)), 'the group is gone');
  await assert.rejects(processes.start('nothing', { argv: ['/nowhere/at-all'] }), { code: 'TOOL_MISSING' });
});

test('the bounding set decides about CAP_SYS_RESOURCE', () => {
  assert.equal(hasSysResource('CapEff:\t000001fffeffffff\nCapBnd:\t000001ffffffffff\n'), true);
  assert.equal(hasSysResource('CapBnd:\t000001fffeffffff\n'), false);
});

test('a step runs again only when its key changes or its file is gone', async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-built-'));
  const file = join(folder.path, 'thing');
  const keys: string[] = [];
  const run = async (key: string): Promise<void> =>
    buildOnce({ file, key, build: async () => (keys.push(key), writeFileSync(file, key)) }, () => {});
  for (const key of ['a', 'a', 'b']) await run(key);
  assert.deepEqual(keys, ['a', 'b']);
  assert.equal(isBuilt({ file, key: 'a' }), false);
  assert.notEqual(contentKey(['ab', 'c']), contentKey(['a', 'bc']));
});

test('settings come from the environment and are checked', () => {
  const settings = readLabSettings({
    AMBIT_KUBE_LAB_HOME: '/x',
    AMBIT_KUBE_LAB_PORT: '7443',
    PATH: '/bin',
    GOCACHE: '/g',
  });
  assert.partialDeepStrictEqual(settings, {
    home: '/x',
    name: 'kl',
    port: 7443,
    goBuildCache: '/g',
    goModuleCache: '/x/gomod',
  });
  assert.match(settings.searchPath, /^\/bin:.*\/usr\/sbin/);
  assert.throws(() => readLabSettings({ AMBIT_KUBE_LAB_NAME: 'much-too-long' }), { code: 'BAD_ARGUMENT' });
  assert.throws(() => readLabSettings({ AMBIT_KUBE_LAB_PORT: '0' }), { code: 'BAD_ARGUMENT' });
});

test('lists and exports are read and written as shells and people do', () => {
  assert.deepEqual(parsePackageList('# head\nsocat   relay\n\nrunc # why\n'), ['socat', 'runc']);
  assert.equal(shellExports({ A: "it's" }), "export A='it'\\''s'\n");
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
