import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger, LogLevels } from './index.ts';

function collect(
  format: 'json' | 'text',
  levels = new LogLevels(),
): { lines: string[]; root: ReturnType<typeof createLogger> } {
  const lines: string[] = [];
  return { lines, root: createLogger({ format, levels, destination: { write: (line) => lines.push(line) } }) };
}

test('a JSON line carries level, time, scope, fields and message', () => {
  const { lines, root } = collect('json');
  root.scope('xds').info({ version: 'v1' }, 'snapshot applied');
  const parsed = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  assert.deepEqual(Object.keys(parsed), ['level', 'time', 'scope', 'version', 'message']);
  assert.equal(parsed['level'], 'info');
  assert.match(String(parsed['time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
});

test('a text line is separated by tabs', () => {
  const { lines, root } = collect('text');
  root.scope('ca').warn({ attempt: 2 }, 'call failed');
  assert.match(lines[0] ?? '', /^\S+Z\twarn\tca\tcall failed\tattempt=2\n$/);
});

test('levels change at run time, per scope, also for loggers already handed out', () => {
  const { lines, root } = collect('json', new LogLevels('info,xds=off'));
  const xds = root.scope('xds');
  const inner = root.scope('xds::client');
  xds.error('not seen');
  inner.error('not seen');
  root.levels.apply('xds=debug');
  xds.debug('seen');
  inner.debug('seen');
  root.scope('ca').debug('not seen');
  root.levels.reset();
  xds.error('not seen');
  assert.equal(lines.length, 2);
  assert.equal(root.levels.toString(), 'xds=off,info');
});

test('directives take both forms of scope, and bad ones change nothing', () => {
  const levels = new LogLevels('warn');
  levels.apply('info,a::b:trace, access=DEBUG');
  assert.equal(levels.toString(), 'a::b=trace,access=debug,info');
  for (const bad of ['loud', 'scope', 'a=b=c', '', 'x=', 'info,y=loud', 'a b=info']) {
    assert.throws(() => levels.apply(bad), RangeError, bad);
  }
  assert.equal(levels.toString(), 'a::b=trace,access=debug,info');
  assert.equal(levels.levelOf('a::b::c'), 'trace');
  assert.equal(levels.levelOf('a'), 'info');
});

test('tokens and keys are masked', () => {
  const { lines, root } = collect('json');
  root.scope('ca').info({ token: 'abc', certificate: { privateKeyPem: 'abc' } }, 'request');
  assert.doesNotMatch(lines.join(''), /abc/);
});
