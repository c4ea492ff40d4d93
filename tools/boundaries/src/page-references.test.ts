import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkPages, type Page } from './page-references.ts';

const there: ReadonlySet<string> = new Set([
  'README.md',
  'docs/a.md',
  'docs/b.md',
  'docs/a.svg',
  'libs/net',
  'libs/net/src/io.ts',
]);

function problems(file: string, text: string, others: readonly Page[] = []): readonly string[] {
  return checkPages([{ file, text }, ...others], (path) => there.has(path)).map(
    ({ place, message }) => `${place} ${message}`,
  );
}

test('links to files, headings, pictures and other places pass', () => {
  const b = { file: 'docs/b.md', text: '# B\n## What `it` is: a, b\n## Twice\n## Twice\n' };
  const text =
    '# A\n[b](b.md) [up](../README.md) [what](b.md#what-it-is-a-b) [2](b.md#twice-1) [a](#a) ![p](a.svg) [w](https://x.test/y)';
  assert.deepEqual(problems('docs/a.md', text, [b]), []);
});

test('a link to nothing, out of the repository or to a heading that is not there is found with its line', () => {
  const text = '# A\n\n[gone](c.md)\n[out](../../x.md)\n[no](#nothing) and [no](b.md#c)';
  assert.deepEqual(problems('docs/a.md', text, [{ file: 'docs/b.md', text: '# B' }]), [
    'docs/a.md:3 dead link: c.md',
    'docs/a.md:4 dead link: ../../x.md',
    'docs/a.md:5 no such heading: #nothing',
    'docs/a.md:5 no such heading: b.md#c',
  ]);
});

test('a path in a code span must be there, but for what is made, wildcards and notes of changes', () => {
  const text =
    '`libs/net` `libs/net/src/io.ts` `libs/gone` `apps/x/dist/main.mjs` `libs/*/src` `apps/NAME/src` `libs/NAME.yaml`';
  assert.deepEqual(problems('README.md', text), ['README.md:1 no such path: libs/gone']);
  assert.deepEqual(problems('CHANGELOG.md', text), []);
  assert.deepEqual(problems('libs/net/README.md', '`src/io.ts` `src/gone.ts`'), [
    'libs/net/README.md:1 no such path: src/gone.ts',
  ]);
});

test('what stands in a fenced block is an example', () => {
  assert.deepEqual(problems('README.md', '```\n[x](gone.md) `libs/gone`\n```'), []);
});
