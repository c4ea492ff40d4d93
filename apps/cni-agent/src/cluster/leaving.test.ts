import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeLeaving, type ObjectView } from './leaving.ts';

const present = (object: unknown): ObjectView => ({ kind: 'present', object });
const daemonSet = present({ metadata: {}, spec: { template: { spec: { nodeSelector: { pool: 'mesh' } } } } });
const node = present({ metadata: { labels: { pool: 'mesh', zone: 'a' } } });
const unknown: ObjectView = { kind: 'unknown' };

for (const [name, view, nodeView, wasAllowed, expected] of [
  ['its DaemonSet wants this node: another agent follows', daemonSet, node, true, false],
  ['its DaemonSet wants other nodes', daemonSet, present({ metadata: { labels: { pool: 'x' } } }), true, true],
  ['nothing is known of the node', daemonSet, unknown, true, false],
  ['the DaemonSet wants every node', present({ metadata: {} }), node, true, false],
  ['the DaemonSet is gone', { kind: 'absent' }, node, true, true],
  ['the DaemonSet is going', present({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }), node, true, true],
  ['no answer', unknown, unknown, true, false],
  ['the right to ask is lost', { kind: 'denied' }, { kind: 'denied' }, true, true],
  ['there never was a right to ask', { kind: 'denied' }, { kind: 'denied' }, false, false],
] as const satisfies readonly (readonly [string, ObjectView, ObjectView, boolean, boolean])[]) {
  test(`${name}: ${expected ? 'leaves for good' : 'stays'}`, () =>
    assert.equal(judgeLeaving(view, nodeView, wasAllowed), expected));
}
