import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rewriteWorkerUrls } from './worker-entries.ts';

test('the URL of a worker becomes that of its bundle', () => {
  const code = "const w = new Worker(new URL('./data/data-worker.ts', import.meta.url), { name: 'data' });";
  assert.deepEqual(rewriteWorkerUrls(code, '/app/src/main.ts'), {
    code: "const w = new Worker(new URL('./data-worker.mjs', import.meta.url), { name: 'data' });",
    workers: [{ source: '/app/src/data/data-worker.ts', bundle: 'data-worker.mjs' }],
  });
});

test('URLs of other files stay', () => {
  const code =
    "new URL('../native/io.node', import.meta.url); new URL('./a.ts', base); new URL(`./b.ts`, import.meta.url)";
  assert.deepEqual(rewriteWorkerUrls(code, '/app/src/main.ts'), { code, workers: [] });
});
