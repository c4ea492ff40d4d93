import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TickOutput } from './tick-output.ts';

test('lines of one turn are written together and in order', async () => {
  const writes: string[] = [];
  using output = new TickOutput((text) => void writes.push(text));
  for (const line of ['a\n', 'b\n', 'c\n']) output.write(line);
  assert.deepEqual(writes, []);
  await nextTurn();
  output.write('d\n');
  await nextTurn();
  assert.deepEqual(writes, ['a\nb\nc\n', 'd\n']);
});

test('what is left is written at the end, also when the process exits in the same turn', () => {
  const writes: string[] = [];
  {
    using output = new TickOutput((text) => void writes.push(text));
    output.write('last\n');
  }
  assert.deepEqual(writes, ['last\n']);
  const script = `
    import { TickOutput } from ${JSON.stringify(join(import.meta.dirname, 'tick-output.ts'))};
    new TickOutput((text) => void process.stdout.write(text)).write('last words');
    process.exit(3);`;
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.deepEqual([status, stdout], [3, 'last words']);
});
