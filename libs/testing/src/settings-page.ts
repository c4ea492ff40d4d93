import { join } from 'node:path';
import { assertGolden } from './golden.ts';

const FOLDER = join(import.meta.dirname, '../../../docs/settings');

/**
 * Holds the page of a program's settings against its table. `whose` ends the title; `table` is what `describeConfig` gives,
 * with what has to be said before it. See `assertGolden`.
 */
export function assertSettingsPage(program: string, whose: string, table: string): void {
  const text = `# Settings of ${whose}\n\nHow they are written and shown: [settings](README.md).\n\n${table}`;
  assertGolden(join(FOLDER, `${program}.md`), text);
}
