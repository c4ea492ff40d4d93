import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type CommandResult, runCommand } from './run-command.ts';
import { memoryEnvironment, nodeOptions } from './node-options.ts';

for (const [program, options] of Object.entries(nodeOptions)) {
  test(`this version of Node takes the options of ${program}`, async () => {
    const result: CommandResult = await runCommand([process.execPath, ...options, '-p', '1 + 1'], {
      env: memoryEnvironment,
      timeoutMs: 60_000,
    });
    assert.deepEqual([result.stdout.trim(), result.stderr], ['2', '']);
  });
}
