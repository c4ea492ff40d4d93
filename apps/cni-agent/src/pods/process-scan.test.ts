import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { podUidOf, ProcessScan, startTicksOf } from './process-scan.ts';

const UID = '0a1b2c3d-1111-2222-3333-0123456789ab';

function stat(ticks: number): string {
  return `7 (a) b (c) S 1 ${'0 '.repeat(17)}${ticks} 0 0\n`;
}

test('a pod is found by the cgroup of its oldest process, whoever manages cgroups', (context) => {
  const root = mkdtempSync(join(tmpdir(), 'ambt-scan-'));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  for (const [pid, path, ticks] of [
    [20, `/kubepods/burstable/pod${UID}/a`, 900],
    [30, `/kubepods.slice/kubepods-pod${UID.replaceAll('-', '_')}.slice/b`, 500],
    [40, '/system.slice/kubelet.service', 1],
  ] as const) {
    mkdirSync(join(root, String(pid)));
    writeFileSync(join(root, String(pid), 'cgroup'), `0::${path}\n`);
    writeFileSync(join(root, String(pid), 'stat'), stat(ticks));
  }
  // Ended between listing and reading.
  mkdirSync(join(root, '50'));
  const scan = new ProcessScan(root, () => 0);
  assert.equal(scan.netnsPath(UID), join(root, '30/ns/net'));
  assert.equal(scan.netnsPath('11111111-1111-1111-1111-111111111111'), undefined);
});

test('that processes cannot be read is no sign that a pod has none', (context) => {
  const root = mkdtempSync(join(tmpdir(), 'ambt-scan-'));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, '20/cgroup'), { recursive: true });
  assert.throws(() => new ProcessScan(root, () => 0).netnsPath(UID), { code: 'EISDIR' });
});

test('a cgroup that is no pod names none, and a program may have any name', () => {
  assert.equal(podUidOf('0::/user.slice/user-0.slice\n'), undefined);
  assert.equal(podUidOf(`0::/kubepods/pod${UID}/x`), UID.replaceAll('-', ''));
  assert.equal(startTicksOf(stat(42)), 42);
});
