import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mustRun, runCommand } from './run-command.ts';

test('a command gets its input and gives back output and code', async () => {
  assert.deepEqual(await runCommand(['sh', '-c', 'cat; echo bad >&2; exit 3'], { stdin: 'hello' }), {
    code: 3,
    stdout: 'hello',
    stderr: 'bad\n',
  });
});

test('a command that is too slow is killed and named', async () => {
  await assert.rejects(runCommand(['sleep', '60'], { timeoutMs: 20 }), {
    code: 'COMMAND_TIMEOUT',
    message: /sleep 60 did not end/,
  });
});

test('a command that prints without end is killed', async () => {
  await assert.rejects(runCommand(['yes'], { maxOutputBytes: 1_000 }), {
    code: 'COMMAND_TIMEOUT',
    message: /printed more/,
  });
});

test('a missing program and a failing one are told apart', async () => {
  await assert.rejects(mustRun(['/no/such/program']), { code: 'COMMAND_NOT_STARTED' });
  await assert.rejects(mustRun(['sh', '-c', 'echo why >&2; exit 2']), {
    code: 'COMMAND_FAILED',
    message: /code 2: why/,
  });
});

test('an aborted command rejects with the reason of the signal', async () => {
  const reason = new Error('enough');
  await assert.rejects(runCommand(['sleep', '60'], { signal: AbortSignal.abort(reason) }), reason);
});
