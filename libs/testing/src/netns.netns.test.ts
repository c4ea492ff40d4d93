import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { netnsSkipReason, NetnsSet } from './netns.ts';

test(
  'namespaces of a test that was killed go with the next one, those of a living one stay',
  { skip: netnsSkipReason() },
  () => {
    const { pid: dead } = spawnSync('true');
    const abandoned = `ambt-left-${dead}-0a1b2c3d-a`;
    spawnSync('ip', ['netns', 'add', abandoned]);
    assert.ok(existsSync(`/run/netns/${abandoned}`));
    using first = new NetnsSet('left');
    const living = first.create('a');
    using _second = new NetnsSet('left');
    assert.ok(!existsSync(`/run/netns/${abandoned}`));
    assert.ok(existsSync(living.path));
  },
);
