import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeTestCa } from '@ambit/testing';
import { clusterAccess } from './cluster-access.ts';
import { KubeClient } from './kube-client.ts';

const root = mkdtempSync(join(tmpdir(), 'ambit-access-'));
after(() => rmSync(root, { recursive: true, force: true }));

function kubeconfig(user: object, cluster: object = {}, context: object = {}): string {
  const path = join(root, 'config');
  const text = JSON.stringify({
    'current-context': 'a',
    contexts: [
      { name: 'a', context: { cluster: 'c', user: 'u', ...context } },
      { name: 'b', context: { cluster: 'none' } },
    ],
    clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443', ...cluster } }],
    users: [{ name: 'u', user }],
  });
  writeFileSync(path, text);
  return path;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

test('a kubeconfig gives address, roots, credentials and namespace', async () => {
  writeFileSync(join(root, 'ca.pem'), 'roots');
  const path = kubeconfig(
    { 'client-certificate-data': base64('cert'), 'client-key-data': base64('key') },
    { 'certificate-authority': 'ca.pem', 'tls-server-name': 'kubernetes' },
    { namespace: 'shop' },
  );
  const access = await clusterAccess({ environment: { KUBECONFIG: path } });
  assert.equal(access.server.href, 'https://10.0.0.1:6443/');
  assert.deepEqual(
    [access.caPem, access.clientCertificatePem, access.clientKeyPem, access.serverName, access.defaultNamespace],
    ['roots', 'cert', 'key', 'kubernetes', 'shop'],
  );
  assert.equal(access.token, undefined);
});

test('a token file of a kubeconfig is read again', async () => {
  const file = join(root, 'token');
  writeFileSync(file, 'one\n');
  const { token } = await clusterAccess({ kubeconfigPath: kubeconfig({ tokenFile: 'token' }) });
  assert.equal(await token?.(), 'one');
  writeFileSync(file, 'another');
  assert.equal(await token?.(), 'another');
  writeFileSync(file, '');
  await assert.rejects(async () => token?.(), { code: 'ACCESS', message: /holds no token/ });
});

test('what cannot be used is refused with a reason', async () => {
  const plugin = kubeconfig({ exec: { command: 'x' } });
  await assert.rejects(clusterAccess({ kubeconfigPath: plugin }), { code: 'ACCESS', message: /credential plugin/ });
  const unverified = kubeconfig({ token: 't' }, { 'insecure-skip-tls-verify': true });
  await assert.rejects(clusterAccess({ kubeconfigPath: unverified }), { message: /does not verify the server/ });
  const path = kubeconfig({ token: 't' });
  await assert.rejects(clusterAccess({ kubeconfigPath: path, context: 'b' }), { message: /names no cluster/ });
  await assert.rejects(clusterAccess({ kubeconfigPath: path, context: 'z' }), { message: /no context z/ });
  await assert.rejects(clusterAccess({ kubeconfigPath: join(root, 'none') }), { message: /cannot be read/ });
  await assert.rejects(clusterAccess(), { message: /set KUBECONFIG/ });
});

test('in a pod the roots and the token are read again when they change', async () => {
  const [old, current] = [makeTestCa(), makeTestCa()];
  const leaf = current.issue(undefined, { ipAddresses: ['127.0.0.1'], purposes: ['serverAuth'] });
  const tokens: (string | undefined)[] = [];
  const server = createServer({ cert: leaf.certificateChainPem, key: leaf.privateKeyPem }, (request, response) => {
    tokens.push(request.headers.authorization);
    response.end('{}');
  });
  const port = await listen(server);
  writeFileSync(join(root, 'ca.crt'), old.rootsPem);
  writeFileSync(join(root, 'token'), 'first');
  writeFileSync(join(root, 'namespace'), 'ambit-system');
  const environment = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(port) };
  const access = await clusterAccess({ environment, serviceAccountDir: root });
  assert.equal(access.defaultNamespace, 'ambit-system');
  using client = new KubeClient(access, { userAgent: 'test' });
  await assert.rejects(client.getPath('/version'), { code: 'UNREACHABLE' });
  writeFileSync(join(root, 'ca.crt'), `${old.rootsPem}\n${current.rootsPem}`);
  await client.getPath('/version');
  writeFileSync(join(root, 'token'), 'second');
  await client.getPath('/version');
  assert.deepEqual(tokens, ['Bearer first', 'Bearer second']);
  server.closeAllConnections();
  server.close();
});

test('credentials are never sent in plaintext', () => {
  const access = { server: new URL('http://127.0.0.1:1'), defaultNamespace: 'x' };
  new KubeClient(access, { userAgent: 'test' }).close();
  const token = async (): Promise<string> => 't';
  assert.throws(() => new KubeClient({ ...access, token }, { userAgent: 'test' }), { code: 'ACCESS' });
  const elsewhere = { ...access, server: new URL('http://10.0.0.1:1') };
  assert.throws(() => new KubeClient(elsewhere, { userAgent: 'test' }), { code: 'ACCESS' });
});

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
