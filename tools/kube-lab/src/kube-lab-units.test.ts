import assert from 'node:assert/strict';
import { mkdirSync, mkdtempDisposableSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { contentKey, isBuilt, buildOnce } from './build/built-record.ts';
import { parsePackageList } from './build/debian-packages.ts';
import { readLabSettings } from './lab-settings.ts';
import { bringUp } from './cli/interruptible.ts';
import { shellExports } from './cli/shell-exports.ts';
import { BackgroundProcesses } from './machine/background-process.ts';
import { hasSysResource } from './machine/capabilities.ts';
import { abandonedLabs, isOurs, recordOwner, releaseOwner } from './machine/owner-record.ts';
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

test('a lab is abandoned when its process is gone, and not when it was released', () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-owner-'));
  const lab = (name: string): string => join(folder.path, name);
  for (const name of ['ours', 'gone', 'reused', 'stays']) mkdirSync(lab(name));
  assert.deepEqual(abandonedLabs(folder.path), [], 'nobody is named');
  for (const name of ['ours', 'stays']) recordOwner(lab(name));
  releaseOwner(lab('stays'));
  writeFileSync(join(lab('gone'), 'owner'), '4194305 1\n');
  // Somebody else with the same id is not it.
  writeFileSync(join(lab('reused'), 'owner'), `${process.pid} 1\n`);
  assert.deepEqual(abandonedLabs(folder.path).toSorted(), ['gone', 'reused']);
  assert.deepEqual(
    ['ours', 'reused', 'stays'].filter((name) => isOurs(lab(name))),
    ['ours'],
  );
  assert.deepEqual(abandonedLabs(lab('nowhere')), []);
});

test('what is up is released; what a signal interrupts is given up, before and after it has noticed', async () => {
  const seen: string[] = [];
  const lab = { release: () => void seen.push('released') };
  const giveUp = async (): Promise<void> => void seen.push('given up');
  assert.equal(await bringUp(async () => lab, giveUp), lab);
  assert.deepEqual(seen.splice(0), ['released']);
  const interrupted = async (): Promise<typeof lab> => {
    process.emit('SIGTERM');
    return lab;
  };
  await assert.rejects(bringUp(interrupted, giveUp), { code: 'INTERRUPTED' });
  assert.deepEqual(seen.splice(0), ['given up', 'given up']);
  await assert.rejects(
    bringUp(() => Promise.reject(new RangeError('no')), giveUp),
    RangeError,
  );
  assert.deepEqual(seen, [], 'what fails by itself removes itself');
  assert.equal(process.listenerCount('SIGTERM'), 0);
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
