import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { WatchedFile } from './watched-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'ambit-watched-'));
after(() => rmSync(folder, { recursive: true }));

function parseDigit(text: string): number {
  if (!/^\d$/.test(text)) throw new Error('not a digit');
  return Number(text);
}

test('rewriting in place with the same size within one clock tick is seen', () => {
  const path = join(folder, 'same-tick');
  const file = new WatchedFile(path, parseDigit);
  for (let round = 0; round < 200; round += 1) {
    writeFileSync(path, String(round % 10));
    assert.equal(file.current(), round % 10);
  }
});

test('an old file is parsed once until it is replaced', () => {
  const path = join(folder, 'old');
  let parses = 0;
  const file = new WatchedFile(path, (text) => (parses += 1) && parseDigit(text));
  const write = (name: string, text: string): void => {
    writeFileSync(name, text);
    utimesSync(name, 1_000_000, 1_000_000);
  };
  write(path, '1');
  assert.deepEqual([file.current(), file.current(), file.current(), parses], [1, 1, 1, 1]);
  write(`${path}.new`, '2');
  renameSync(`${path}.new`, path);
  assert.deepEqual([file.current(), file.current(), parses], [2, 2, 2]);
});

test('a file that is missing or does not parse gives nothing, not its last content', () => {
  const path = join(folder, 'broken');
  const file = new WatchedFile(path, parseDigit);
  assert.throws(() => file.current(), { code: 'FILE_UNREADABLE' });
  writeFileSync(path, '5');
  assert.equal(file.current(), 5);
  writeFileSync(path, 'x');
  assert.throws(() => file.current(), { code: 'FILE_UNREADABLE' });
  rmSync(path);
  assert.throws(() => file.current(), { code: 'FILE_UNREADABLE' });
  writeFileSync(path, '6');
  assert.equal(file.current(), 6);
});
