import assert from 'node:assert/strict';
import { mkdtempDisposableSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runtimeCall, softenDescription } from './soften-description.ts';

test('the description is found in every form of the call, and only where a process starts', () => {
  const log = ['--root', '/r', '--log', '/l'];
  const container = { kind: 'container', file: '/b/config.json' };
  assert.deepEqual(runtimeCall([...log, 'create', '--bundle', '/b', 'id']), container);
  assert.deepEqual(runtimeCall([...log, 'run', '-b=/b', 'id']), container);
  assert.deepEqual(runtimeCall([...log, 'exec', '--process=/p.json', 'id']), { kind: 'process', file: '/p.json' });
  assert.equal(runtimeCall([...log, 'exec', 'id', 'sh']), undefined);
  assert.equal(runtimeCall([...log, 'delete', 'id']), undefined);
});

test('the capability, low scores and limits are taken out, everything else stays', () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-runtime-'));
  const file = join(folder.path, 'config.json');
  const process = {
    args: ['sh'],
    capabilities: { bounding: ['CAP_SYS_RESOURCE', 'CAP_NET_ADMIN'], ambient: [] },
    oomScoreAdj: -500,
    rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1, soft: 1 }],
  };
  writeFileSync(file, JSON.stringify({ ociVersion: '1.0', process }));
  softenDescription({ kind: 'container', file }, 100);
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), {
    ociVersion: '1.0',
    process: {
      args: ['sh'],
      capabilities: { bounding: ['CAP_NET_ADMIN'], ambient: [] },
      oomScoreAdj: 100,
      rlimits: [],
    },
  });
  softenDescription({ kind: 'process', file: join(folder.path, 'absent.json') }, 0);
});
