import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ManualClock } from '@ambit/runtime';
import { clusterAccess } from './cluster-access.ts';
import { PluginToken, readCredentialPlugin } from './credential-plugin.ts';

const root = mkdtempSync(join(tmpdir(), 'ambit-plugin-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** A plugin that writes down each call. */
function plugin(name: string, body: string): string {
  const path = join(root, name);
  writeFileSync(path, `#!/bin/sh\necho "$KUBERNETES_EXEC_INFO $GREETING $*" >> ${path}.calls\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

function callsOf(path: string): readonly string[] {
  return readFileSync(`${path}.calls`, 'utf8').trimEnd().split('\n');
}

function credential(status: object): string {
  return `echo '${JSON.stringify({ kind: 'ExecCredential', status })}'`;
}

function tokenOf(exec: object, clock?: ManualClock): PluginToken {
  return new PluginToken(readCredentialPlugin({ ...exec }, join(root, 'config')), clock);
}

test('a plugin is called as the kubeconfig says, once until its token ends', async () => {
  const clock = new ManualClock();
  const ends = new Date(clock.wallTimeMs() + 600_000).toISOString();
  const path = plugin('login', credential({ token: 'abc', expirationTimestamp: ends }));
  const exec = { command: './login', args: ['a', 'b'], env: [{ name: 'GREETING', value: 'hi' }] };
  const token = tokenOf(exec, clock);
  assert.deepEqual(await Promise.all([token.current(), token.current()]), ['abc', 'abc']);
  assert.equal(await token.current(), 'abc');
  assert.equal(callsOf(path).length, 1);
  assert.match(callsOf(path)[0] ?? '', /^\{.*"kind":"ExecCredential".*"interactive":false.*\} hi a b$/);
  clock.advance(550_000);
  assert.equal(await token.current(), 'abc');
  assert.equal(callsOf(path).length, 2, 'asked anew before the end');
});

test('a plugin that is missing, fails or gives no token is told in its own words', async () => {
  const refused = (exec: object, message: RegExp): Promise<void> =>
    assert.rejects(tokenOf(exec).current(), { code: 'ACCESS', message });
  await refused({ command: join(root, 'none'), installHint: 'install it so' }, /: install it so$/);
  await refused({ command: plugin('denied', 'echo not logged in >&2; exit 3') }, /: not logged in$/);
  await refused({ command: plugin('silent', 'exit 4') }, /ended with 4$/);
  await refused({ command: plugin('garbage', 'echo nothing') }, /gave no token$/);
  await refused({ command: plugin('certificate', credential({ clientCertificateData: 'x' })) }, /gave no token$/);
  assert.throws(() => readCredentialPlugin({}, 'config'), /without a command/);
});

test('after a failure the plugin is asked again', async () => {
  const path = plugin(
    'second',
    `test $(wc -l < ${join(root, 'second')}.calls) -gt 1 || exit 1\n${credential({ token: 't' })}`,
  );
  const token = tokenOf({ command: path });
  await assert.rejects(token.current());
  assert.equal(await token.current(), 't');
});

test('only who allows plugins gets access through one', async () => {
  const path = join(root, 'config');
  const exec = { command: plugin('own', credential({ token: 'own' })) };
  writeFileSync(
    path,
    JSON.stringify({
      'current-context': 'a',
      contexts: [{ name: 'a', context: { cluster: 'c', user: 'u' } }],
      clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443' } }],
      users: [{ name: 'u', user: { exec } }],
    }),
  );
  await assert.rejects(clusterAccess({ kubeconfigPath: path }), /needs a credential plugin/);
  const access = await clusterAccess({ kubeconfigPath: path, allowsPlugins: true });
  assert.equal(await access.token?.(), 'own');
});
