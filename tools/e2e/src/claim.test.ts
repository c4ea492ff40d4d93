import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimLine, summaryLine, type Claim } from './claim.ts';

const CLAIMS: readonly Claim[] = [
  { kind: 'proven', id: '1.1', text: 'it works', observed: '3 of 3' },
  { kind: 'refuted', id: '1.2', text: 'it lasts', observed: '2 lost' },
  { kind: 'skipped', id: '1.3', text: 'a node dies', reason: 'not our cluster' },
];

test('a claim is one line that says what was observed, or why nothing was', () => {
  assert.deepEqual(CLAIMS.map(claimLine), [
    '✔ 1.1 it works — 3 of 3',
    '✘ 1.2 it lasts — 2 lost',
    '- 1.3 a node dies — skipped: not our cluster',
  ]);
});

test('the last line counts as the rings of tests do', () => {
  assert.equal(summaryLine(CLAIMS), '1 passed, 1 failed, 1 skipped');
});
