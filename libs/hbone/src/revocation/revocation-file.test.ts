import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Readiness } from '@ambit/runtime';
import { makeRevocationList, makeTestCa } from '@ambit/testing';
import { RevocationFile } from './revocation-file.ts';

const ca = makeTestCa();
const list = (): string => makeRevocationList(ca, [ca.issue('spiffe://cluster.local/ns/a/sa/b')]);

class Rig implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'ambit-crl-'));
  readonly path: string = join(this.folder, 'ca-crl.pem');
  readonly readiness: Readiness = new Readiness();
  readonly published: string[] = [];
  #file: RevocationFile | undefined;
  #onPublished: (() => void) | undefined;

  open(): void {
    const ignore = (): void => undefined;
    const log = { info: ignore, warn: ignore, error: ignore };
    const publish = ({ lists }: { readonly lists: Uint8Array }): void => {
      this.published.push(Buffer.from(lists).toString());
      this.#onPublished?.();
    };
    this.#file = new RevocationFile({ path: this.path, publish, readiness: this.readiness, log, debounceMs: 5 });
  }

  /** As the kubelet does it: the new file takes the place of the old one. */
  replace(text: string): void {
    writeFileSync(`${this.path}.new`, text);
    renameSync(`${this.path}.new`, this.path);
  }

  next(): Promise<void> {
    return new Promise((resolve) => (this.#onPublished = resolve));
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
    rmSync(this.folder, { recursive: true });
  }
}

test('lists are published at the start and again when the file is replaced', { timeout: 20_000 }, async () => {
  using rig = new Rig();
  const [first, second] = [list(), list()];
  rig.replace(first);
  rig.open();
  assert.deepEqual(rig.published, [first]);
  assert.deepEqual(rig.readiness.pending(), []);
  const later = rig.next();
  rig.replace(second);
  await later;
  assert.equal(rig.published.at(-1), second);
});

test('a file that is not there yet, or empty, revokes nothing and holds nobody up', { timeout: 20_000 }, async () => {
  using rig = new Rig();
  rig.open();
  assert.deepEqual(rig.published, []);
  assert.deepEqual(rig.readiness.pending(), []);
  const later = rig.next();
  rig.replace('');
  await later;
  assert.deepEqual(rig.published, ['']);
});

test(
  'a broken file is not passed on, and keeps the proxy from being ready until it is mended',
  { timeout: 20_000 },
  async () => {
    using rig = new Rig();
    rig.replace('-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n');
    rig.open();
    assert.deepEqual(rig.published, []);
    assert.deepEqual(rig.readiness.pending(), ['certificate revocation list']);
    const later = rig.next();
    const good = list();
    rig.replace(good);
    await later;
    assert.deepEqual(rig.published, [good]);
    assert.deepEqual(rig.readiness.pending(), []);
  },
);
