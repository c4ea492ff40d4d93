import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Holds text that is derived against a file that is read and committed. With `AMBIT_REWRITE_GOLDEN=1` the file is written:
 * read the difference before committing it.
 * @throws AssertionError when they differ; Error when there is no file.
 */
export function assertGolden(path: string, text: string): void {
  if (process.env['AMBIT_REWRITE_GOLDEN'] === '1') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  assert.equal(text, readFileSync(path, 'utf8'), path);
}
