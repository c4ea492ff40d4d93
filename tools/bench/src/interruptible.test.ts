/** A benchmark in a process of its own, which hangs until a signal comes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { interruptible } from './interruptible.ts';

test('a signal has taken down what was set up, in the reverse order, before the program ends', async () => {
  const module = new URL('interruptible.ts', import.meta.url).href;
  const program = `
    const { interruptible } = await import(${JSON.stringify(module)});
    const hanging = interruptible((stack) => {
      for (const what of ['lab', 'load']) stack.defer(() => void console.log('down: ' + what));
      console.log('up');
      return new Promise(() => setInterval(() => undefined, 1_000));
    });
    await hanging.catch((error) => console.log(error.code));
    process.exit(3);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let told = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (told === '') child.kill('SIGTERM');
    told += text;
  });
  const [code] = await once(child, 'close');
  const lines = ['up', 'interrupted: what was set up is removed', 'down: load', 'down: lab', 'INTERRUPTED'];
  assert.deepEqual([code, told.trim().split('\n')], [3, lines]);
});

test('without a signal it ends as its work does, and takes down the same', async () => {
  const seen: string[] = [];
  await interruptible(async (stack) => {
    stack.defer(() => void seen.push('down'));
    seen.push('work');
  });
  assert.deepEqual(seen, ['work', 'down']);
  await assert.rejects(
    interruptible((stack) => {
      stack.defer(() => void seen.push('down again'));
      return Promise.reject(new RangeError('no'));
    }),
    RangeError,
  );
  assert.deepEqual(seen, ['work', 'down', 'down again']);
});
