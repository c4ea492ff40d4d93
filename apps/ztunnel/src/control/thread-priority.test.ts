import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

/** Nice value: the 19th field of a thread's stat, counted after the name, which may hold blanks. */
const PROBE = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { Worker } from 'node:worker_threads';
  import { yieldToDataWorkers } from '${new URL('./thread-priority.ts', import.meta.url).pathname}';
  const worker = new Worker('require("node:fs").writeSync(1, "up "); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000)', { eval: true });
  worker.once('online', () => {
    yieldToDataWorkers();
    const nice = (id) => { const text = readFileSync('/proc/self/task/' + id + '/stat', 'utf8'); return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[16]); };
    const threads = readdirSync('/proc/self/task');
    console.log(JSON.stringify({ main: nice(process.pid), others: threads.filter((id) => Number(id) !== process.pid).map(nice) }));
    process.exit();
  });
`;

test('only the main thread steps back', () => {
  const base = Number(readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ')[16]);
  const output = execFileSync(process.execPath, ['--input-type=module-typescript', '-e', PROBE], { encoding: 'utf8' });
  const { main, others }: { main: number; others: number[] } = JSON.parse(output.slice(output.indexOf('{')));
  assert.equal(main, 10);
  assert.ok(others.length > 1 && others.every((nice) => nice === base), JSON.stringify(others));
});
