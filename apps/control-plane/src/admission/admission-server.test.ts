import assert from 'node:assert/strict';
import { request } from 'node:https';
import { connect } from 'node:tls';
import { test } from 'node:test';
import type { ServerTlsMaterial } from '@ambit/grpc';
import { isPlainObject } from '@ambit/kube';
import { makeTestCa } from '@ambit/testing';
import type { MeshReview } from '../derive/mesh-review.ts';
import { buildAdmissionServer } from './admission-server.ts';
import type { Verdict } from './judge-object.ts';

const ca = makeTestCa();

function material(name: string): ServerTlsMaterial {
  const leaf = ca.issue(undefined, { dnsNames: [name], ipAddresses: ['127.0.0.1'], purposes: ['serverAuth'] });
  return { certificateChainPem: leaf.certificateChainPem, privateKeyPem: leaf.privateKeyPem };
}

const mesh: Pick<MeshReview, 'review'> = {
  review: ({ origin }) => [{ severity: 'warning', code: 'suspicious', location: origin, message: 'think again' }],
};

async function listening() {
  const verdicts: Verdict[] = [];
  const admission = buildAdmissionServer({
    mesh,
    observer: { judged: (verdict) => void verdicts.push(verdict) },
    tls: material('first.example'),
  });
  await admission.server.listen({ host: '127.0.0.1', port: 0 });
  const address = admission.server.server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const { port } = address;
  return { admission, port, verdicts, [Symbol.asyncDispose]: () => admission.server.close() };
}

/** Posts text; gives the status code and the JSON that came back. */
async function post(port: number, path: string, body: string): Promise<readonly [number, unknown]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly [number, unknown]>();
  const headers = { 'content-type': 'application/json' };
  const sent = request({ host: '127.0.0.1', port, path, method: 'POST', ca: ca.rootsPem, headers }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    response.on('end', () => resolve([response.statusCode ?? 0, text === '' ? undefined : JSON.parse(text)]));
  });
  sent.on('error', reject).end(body);
  return promise;
}

const review = (object: unknown, fields: object = {}): string =>
  JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { uid: 'u-1', operation: 'CREATE', namespace: 'shop', object, ...fields },
  });
const policy = (spec: unknown): unknown => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'p' },
  spec,
});
const response = (answer: unknown): unknown => (isPlainObject(answer) ? answer['response'] : undefined);

test('a sound object is allowed with its uid, a suspicious one with warnings too', async () => {
  await using server = await listening();
  const [status, answer] = await post(server.port, '/validate', review(policy({ rules: [{}] })));
  assert.equal(status, 200);
  assert.deepEqual(response(answer), { uid: 'u-1', allowed: true, warnings: ['think again'] });
  assert.equal(server.verdicts.length, 1);
});

test('an object with mistakes is refused with code 422 and all of them', async () => {
  await using server = await listening();
  const [status, answer] = await post(server.port, '/validate?timeout=5s', review(policy({ action: 'X', rules: 1 })));
  assert.equal(status, 200);
  const message =
    'spec.action must be one of ALLOW, DENY, AUDIT, CUSTOM, not "X"; spec.rules must be a list; start each entry with "- "';
  assert.deepEqual(response(answer), { uid: 'u-1', allowed: false, status: { code: 422, reason: 'Invalid', message } });
});

test('deletions, unnamed objects and pods to be injected are allowed', async () => {
  await using server = await listening();
  const allowed = { uid: 'u-1', allowed: true };
  const [, deleted] = await post(server.port, '/validate', review(null, { operation: 'DELETE' }));
  assert.deepEqual(response(deleted), allowed);
  const generated = { ...Object(policy({ rules: [{}] })), metadata: { generateName: 'p-' } };
  const [, unnamed] = await post(server.port, '/validate', review(generated));
  assert.deepEqual(response(unnamed), { ...allowed, warnings: ['think again'] });
  const [, injected] = await post(server.port, '/inject', review({ apiVersion: 'v1', kind: 'Pod' }));
  assert.deepEqual(response(injected), allowed);
});

test('what is no review gets 400, what is too large 413, and neither stops the server', async () => {
  await using server = await listening();
  for (const body of ['{}', '[]', '"text"', 'no json', review({}, { uid: 7 })]) {
    const [status] = await post(server.port, '/validate', body);
    assert.equal(status, 400, body);
  }
  const [large] = await post(server.port, '/validate', review(policy({ x: 'x'.repeat(5 * 1024 * 1024) }))).catch(
    // The server may close while the rest is still being sent.
    () => [413] as const,
  );
  assert.equal(large, 413);
  const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
  const [nested] = await post(server.port, '/validate', deep);
  assert.equal(nested, 400);
  const [status] = await post(server.port, '/validate', review(policy({})));
  assert.equal(status, 200);
});

test('a new certificate is used for new connections, and one that does not fit changes nothing', async () => {
  await using server = await listening();
  const nameServed = async (): Promise<string> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const socket = connect({ host: '127.0.0.1', port: server.port, ca: ca.rootsPem }, () => {
      resolve(socket.getPeerCertificate().subjectaltname ?? '');
      socket.destroy();
    });
    socket.on('error', reject);
    return promise;
  };
  assert.match(await nameServed(), /first\.example/);
  server.admission.update(material('second.example'));
  assert.match(await nameServed(), /second\.example/);
  const { certificateChainPem } = material('third.example');
  assert.throws(() => server.admission.update({ certificateChainPem, privateKeyPem: material('x').privateKeyPem }));
  assert.match(await nameServed(), /second\.example/);
});
