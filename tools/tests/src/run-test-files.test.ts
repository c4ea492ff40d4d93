import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempDisposableSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ringOf } from './test-files.ts';
import { mergeSummaries, parseSummary, summaryLine, type TestSummary } from './test-summary.ts';

const HEAD = "import assert from 'node:assert/strict';\nimport { describe, test } from 'node:test';\n";

/** Runs files with these contents through the serial runner. */
function runFiles(contents: Readonly<Record<string, string>>): {
  summary: TestSummary;
  output: string;
  code: number | null;
} {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-tests-'));
  const files = Object.entries(contents).map(([name, content]) => {
    writeFileSync(join(folder.path, name), HEAD + content);
    return join(folder.path, name);
  });
  const { NODE_TEST_CONTEXT: _nested, ...env } = process.env;
  const summaryFile = join(folder.path, 'out/summary.json');
  const runner = join(import.meta.dirname, 'serial.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [runner, summaryFile, ...files], {
    env,
    encoding: 'utf8',
  });
  return { summary: parseSummary(readFileSync(summaryFile, 'utf8')), output: stdout + stderr, code: status };
}

test('tests are counted one by one, suites are not, skipped ones keep their reason', () => {
  const { summary, code } = runFiles({
    'a.test.ts': `
      test('one', () => {});
      describe('suite', () => { test('two', () => {}); test('three', { skip: 'no peer' }, () => {}); });
      test('four', (t) => t.skip('not root'));
    `,
    'b.test.ts': "test('five', () => {});",
  });
  assert.equal(summaryLine(summary), '3 passed, 0 failed, 2 skipped');
  assert.deepEqual(summary.skipped.map(({ reason }) => reason).toSorted(), ['no peer', 'not root']);
  assert.equal(code, 0);
});

test('a failure is counted once, shown with its place and its message, and fails the run', () => {
  const { summary, output, code } = runFiles({
    'a.test.ts': "describe('suite', () => { test('bad', () => { assert.equal(1, 2, 'one is not two'); }); });",
  });
  assert.equal(summaryLine(summary), '0 passed, 1 failed, 0 skipped');
  assert.match(output, /not ok: bad/);
  assert.match(output, /one is not two/);
  assert.match(output, /a\.test\.ts:3/);
  assert.equal(code, 1);
});

test('a file that crashes, or does not parse, is a failure', () => {
  for (const content of ['process.exit(3);', 'test(', "throw new Error('at load');"]) {
    const { summary, code } = runFiles({ 'a.test.ts': content });
    assert.equal(summary.failed, 1, content);
    assert.equal(code, 1);
  }
});

test('summaries add up', () => {
  const one: TestSummary = { passed: 1, failed: 2, skipped: [{ name: 'a', reason: 'b' }], failures: ['x', 'y'] };
  assert.equal(summaryLine(mergeSummaries([one, one])), '2 passed, 4 failed, 2 skipped');
  assert.throws(() => parseSummary('{"passed":1}'), TypeError);
});

test('the ring follows from the name of the file', () => {
  assert.equal(ringOf('libs/net/src/a.test.ts'), 'unit');
  assert.equal(ringOf('libs/net/src/a.netns.test.ts'), 'netns');
  assert.equal(ringOf('libs/net/src/a.interop.test.ts'), 'interop');
  assert.equal(ringOf('libs/kube/src/a.cluster.test.ts'), 'cluster');
  assert.equal(ringOf('apps/ca/src/a.docker.test.ts'), 'docker');
});
