import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { systemClock } from '@ambit/runtime';
import { makeTestCa } from '@ambit/testing';
import { CertificateAuthority, type MaterialChange } from '../issue/certificate-authority.ts';
import { readKeyDirectory } from './key-directory.ts';
import { followMaterial, loadMaterial } from './load-material.ts';
import { checkMaterial } from './signing-material.ts';

type TestCa = ReturnType<typeof makeTestCa>;
const source = { trustDomain: 'cluster.local', keyDirectory: undefined, stateDirectory: undefined };
const now = Date.now();

function inFolder(run: (folder: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ambit-keys-'));
    try {
      await run(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

function pluginFiles(ca: TestCa, roots = ca.rootsPem): Record<string, string> {
  return {
    'ca-cert.pem': ca.signingCertificatePem,
    'ca-key.pem': ca.signingKeyPem,
    'root-cert.pem': roots,
    'cert-chain.pem': ca.intermediatesPem + ca.rootsPem,
  };
}

function writeAll(folder: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

test(
  'both layouts give the same chain',
  inFolder((folder) => {
    const ca = makeTestCa({ intermediate: true });
    const plugin = join(folder, 'plugin');
    const tls = join(folder, 'tls');
    writeAll(plugin, pluginFiles(ca));
    writeAll(tls, { 'tls.crt': ca.signingCertificatePem, 'tls.key': ca.signingKeyPem, 'ca.crt': ca.rootsPem });
    for (const directory of [plugin, tls]) {
      const material = loadMaterial({ ...source, keyDirectory: directory }, systemClock);
      assert.deepEqual(material.intermediatesPem, [ca.intermediatesPem]);
      assert.equal(material.rootsPem, ca.rootsPem);
    }
  }),
);

test(
  'a signing certificate that is a root itself has no intermediates',
  inFolder((folder) => {
    const ca = makeTestCa();
    writeAll(folder, pluginFiles(ca));
    assert.deepEqual(loadMaterial({ ...source, keyDirectory: folder }, systemClock).intermediatesPem, []);
  }),
);

test(
  'an incomplete set is an error that names the missing files',
  inFolder((folder) => {
    const files = pluginFiles(makeTestCa());
    for (const missing of Object.keys(files)) {
      const directory = join(folder, missing);
      writeAll(directory, files);
      rmSync(join(directory, missing));
      assert.throws(() => readKeyDirectory(directory), {
        code: 'KEY_MATERIAL_INCOMPLETE',
        message: new RegExp(`lacks ${missing};`),
      });
      // A state directory with a part of a set is not filled up by a new CA.
      assert.throws(() => loadMaterial({ ...source, stateDirectory: directory }, systemClock), {
        code: 'KEY_MATERIAL_INCOMPLETE',
      });
    }
    writeAll(join(folder, 'tls'), { 'tls.crt': files['ca-cert.pem'] ?? '' });
    assert.throws(() => readKeyDirectory(join(folder, 'tls')), { message: /lacks tls\.key, ca\.crt;/ });
  }),
);

test('material that does not fit together is refused with a reason and without quoting the key', () => {
  const ca = makeTestCa({ intermediate: true });
  const other = makeTestCa();
  const good = {
    signingCertificate: ca.signingCertificatePem,
    signingKey: ca.signingKeyPem,
    roots: ca.rootsPem,
    chain: ca.intermediatesPem,
  };
  const leaf = ca.issue('spiffe://a/ns/b/sa/c');
  const ed25519 = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const cases: readonly (readonly [Partial<typeof good>, RegExp])[] = [
    [{ signingKey: other.signingKeyPem }, /the key does not belong/],
    [{ signingKey: 'secret text' }, /not an unencrypted PEM private key/],
    [{ signingKey: ed25519 }, /does not belong|not supported/],
    [{ roots: other.rootsPem }, /does not lead to a root/],
    [{ roots: '' }, /no root certificate/],
    [{ signingCertificate: '' }, /no signing certificate/],
    [{ signingCertificate: leaf.certificateChainPem, signingKey: leaf.privateKeyPem }, /not a CA certificate/],
  ];
  assert.ok(checkMaterial(good, now));
  for (const [change, message] of cases) {
    assert.throws(
      () => checkMaterial({ ...good, ...change }, now),
      (error: Error) => {
        assert.match(error.message, message);
        assert.ok(!inspect(error, { depth: 9 }).includes('secret text'));
        return true;
      },
    );
  }
  assert.throws(() => checkMaterial(good, now + 11 * 365 * 86_400_000), { message: /expired/ });
});

test('no inspection or JSON of material shows the key', () => {
  const ca = makeTestCa();
  const material = checkMaterial(
    { signingCertificate: ca.signingCertificatePem, signingKey: ca.signingKeyPem, roots: ca.rootsPem, chain: '' },
    now,
  );
  const secret = ca.signingKeyPem.split('\n')[1] ?? '';
  for (const shown of [inspect(material, { depth: 9, showHidden: true }), JSON.stringify(material)])
    assert.ok(!shown.includes(secret));
});

test(
  'a self-signed CA is kept in the state directory for its owner only and loaded again',
  inFolder((folder) => {
    const directory = join(folder, 'ca');
    const first = loadMaterial({ ...source, stateDirectory: directory }, systemClock);
    const files = readdirSync(directory).sort();
    assert.deepEqual(files, ['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem']);
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    for (const file of files) assert.equal(statSync(join(directory, file)).mode & 0o777, 0o600, file);
    const second = loadMaterial({ ...source, stateDirectory: directory }, systemClock);
    assert.equal(second.rootsPem, first.rootsPem);
    assert.equal(first.rootsPem, readFileSync(join(directory, 'root-cert.pem'), 'utf8'));
  }),
);

test('a CA in memory is different each time', () => {
  assert.notEqual(loadMaterial(source, systemClock).rootsPem, loadMaterial(source, systemClock).rootsPem);
});

/** A Secret as kubelet mounts it: files are links through `..data`, which is swapped in one step. */
function publishSecret(mount: string, version: string, files: Readonly<Record<string, string>>): void {
  writeAll(join(mount, version), files);
  symlinkSync(version, join(mount, '..data_tmp'));
  renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
  for (const name of Object.keys(files)) {
    if (statSync(join(mount, name), { throwIfNoEntry: false }) === undefined)
      symlinkSync(join('..data', name), join(mount, name));
  }
}

test(
  'a Secret that kubelet swaps is followed, and a refused one leaves the old material in force',
  { timeout: 10_000 },
  inFolder(async (folder) => {
    const ca = makeTestCa({ intermediate: true });
    const next = makeTestCa({ intermediate: true });
    publishSecret(folder, '..v1', pluginFiles(ca));
    const authority = new CertificateAuthority(
      loadMaterial({ ...source, keyDirectory: folder }, systemClock),
      systemClock,
    );
    let onRefused: (error: unknown) => void = () => undefined;
    let onChange: (change: MaterialChange) => void = () => undefined;
    authority.onReplaced((change) => onChange(change));
    using _ = followMaterial(folder, authority, systemClock, (error) => onRefused(error));

    const refused = new Promise<unknown>((resolve) => (onRefused = resolve));
    publishSecret(folder, '..v2', pluginFiles(next));
    assert.match(String(await refused), /shares no root/);
    assert.equal(authority.material.rootsPem, ca.rootsPem);

    const replaced = new Promise<MaterialChange>((resolve) => (onChange = resolve));
    publishSecret(folder, '..v3', pluginFiles(ca, ca.rootsPem + next.rootsPem));
    assert.equal((await replaced).addedRoots.length, 1);
    assert.equal(authority.material.rootsPem, ca.rootsPem + next.rootsPem);

    const signing = new Promise<MaterialChange>((resolve) => (onChange = resolve));
    publishSecret(folder, '..v4', pluginFiles(next, ca.rootsPem + next.rootsPem));
    assert.equal((await signing).isNewSigner, true);
  }),
);
