import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ManifestEditor } from './manifest-editor.ts';

function withManifest(text: string, run: (editor: ManifestEditor, read: () => string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'ambt-editor-'));
  try {
    const file = join(directory, 'a.yaml');
    writeFileSync(file, text);
    run(new ManifestEditor(directory), () => readFileSync(file, 'utf8'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const TWO =
  '# the shop\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop # here\n---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: bank\n';

test('a label is set and removed; comments and other documents stay', () => {
  withManifest(TWO, (editor, read) => {
    editor.label({ kind: 'Namespace', name: 'shop' }, 'istio.io/dataplane-mode', 'ambient');
    assert.equal(read(), TWO.replace('# here\n', '# here\n  labels:\n    istio.io/dataplane-mode: ambient\n'));
    editor.label({ kind: 'Namespace', name: 'shop' }, 'istio.io/dataplane-mode', undefined);
    assert.doesNotMatch(read(), /ambient/);
    assert.match(read(), /# the shop/);
  });
});

test('an object that is not there is an error that names it', () => {
  withManifest(TWO, (editor) => {
    assert.throws(() => editor.label({ kind: 'Pod', namespace: 'shop', name: 'web' }, 'a', 'b'), {
      code: 'BAD_MANIFEST',
      message: /Pod shop\/web/,
    });
    assert.throws(() => editor.put('../x.yaml', ''), { code: 'BAD_MANIFEST' });
  });
});
