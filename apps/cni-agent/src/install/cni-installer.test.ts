import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { ManualClock } from '@ambit/runtime';
import { CniInstaller, type InstallState } from './cni-installer.ts';

const root = mkdtempSync(join(tmpdir(), 'ambt-install-'));
after(() => rmSync(root, { recursive: true, force: true }));
const [binDir, confDir, binary] = ['bin', 'net.d', 'plugin'].map((name) => join(root, name)) as [
  string,
  string,
  string,
];
const LIST = '{"name":"cbr0","cniVersion":"1.0.0","plugins":[{"type":"flannel"}]}';
const path = join(confDir, '10-flannel.conflist');

let clock = new ManualClock();
let states: InstallState[] = [];

beforeEach(() => {
  for (const folder of [binDir, confDir]) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
  }
  writeFileSync(binary, 'binary 1');
  clock = new ManualClock();
  states = [];
});

function installer(): CniInstaller {
  return new CniInstaller({
    binary,
    binDir,
    confDir,
    confName: '',
    settings: { runDir: '/run/a', podNamespace: 'ambit-system', excludeNamespaces: [] },
    clock,
    onChange: (state) => states.push(state),
  });
}

const isIn = (): boolean => readFileSync(path, 'utf8').includes('ambit-cni');
const kinds = (): readonly string[] => states.map(({ kind }) => kind);

test('binary and entry are installed with their modes, found intact later, and gone without a trace at the end', () => {
  writeFileSync(path, LIST, { mode: 0o640 });
  const subject = installer();
  subject.start();
  assert.deepEqual(kinds(), ['installed']);
  assert.ok(isIn());
  assert.equal(statSync(path).mode & 0o777, 0o640);
  assert.equal(statSync(join(binDir, 'ambit-cni')).mode & 0o777, 0o755);
  clock.advance(10_000);
  assert.deepEqual(kinds(), ['installed', 'intact']);
  assert.deepEqual(readdirSync(confDir), ['10-flannel.conflist']);
  subject[Symbol.dispose]();
  subject.uninstall();
  assert.equal(readFileSync(path, 'utf8'), LIST);
  assert.deepEqual([readdirSync(binDir), readdirSync(confDir)], [[], ['10-flannel.conflist']]);
});

test('without a network configuration it waits for one', () => {
  using subject = installer();
  subject.start();
  assert.deepEqual(kinds(), ['waiting']);
  writeFileSync(path, LIST);
  clock.advance(10_000);
  assert.deepEqual(kinds(), ['waiting', 'installed']);
});

test('a plugin that rewrites its file again and again is answered more and more slowly', () => {
  writeFileSync(path, LIST);
  using subject = installer();
  subject.start();
  let rewrites = 0;
  for (let elapsedMs = 0; elapsedMs < 120_000; elapsedMs += 100) {
    if (isIn()) {
      writeFileSync(path, LIST);
      rewrites += 1;
    }
    clock.advance(100);
  }
  assert.ok(rewrites >= 4 && rewrites < 20, `${rewrites} rewrites`);
});

test('a binary that was replaced or removed comes back', () => {
  writeFileSync(path, LIST);
  using subject = installer();
  subject.start();
  writeFileSync(join(binDir, 'ambit-cni'), 'old');
  clock.advance(10_000);
  assert.equal(readFileSync(join(binDir, 'ambit-cni'), 'utf8'), 'binary 1');
  rmSync(join(binDir, 'ambit-cni'));
  clock.advance(10_000);
  assert.equal(readFileSync(join(binDir, 'ambit-cni'), 'utf8'), 'binary 1');
});

test('a file that cannot be understood is told, and the old state stays', () => {
  writeFileSync(path, '{"plugins":[{"type":"a"}]');
  using subject = installer();
  subject.start();
  assert.deepEqual(kinds(), ['waiting']);
  rmSync(binary);
  clock.advance(10_000);
  assert.equal(kinds()[1], 'failed');
});
