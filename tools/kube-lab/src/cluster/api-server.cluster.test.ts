import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mustRun } from '@ambit/runtime';

const kubeconfig = process.env['AMBIT_TEST_KUBECONFIG'];
const skip = kubeconfig === undefined ? 'AMBIT_TEST_KUBECONFIG names no cluster' : false;

test('the ring has an API server that gives tokens for an audience and reviews them', { skip }, async () => {
  const kubectl = (args: readonly string[], stdin?: string): Promise<string> =>
    mustRun(['kubectl', ...args], { env: { KUBECONFIG: kubeconfig ?? '' }, ...(stdin === undefined ? {} : { stdin }) });
  const namespace = `kube-lab-${process.pid}`;
  await kubectl(['create', 'namespace', namespace]);
  try {
    await kubectl(['-n', namespace, 'create', 'serviceaccount', 'web']);
    const token = await kubectl(['-n', namespace, 'create', 'token', 'web', '--audience=istio-ca']);
    const review = async (audience: string): Promise<string> => {
      const body = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token: token.trim(), audiences: [audience] },
      };
      const path = ['-o', 'jsonpath={.status.authenticated} {.status.user.username}'];
      return await kubectl(['create', '-f', '-', ...path], JSON.stringify(body));
    };
    assert.equal(await review('istio-ca'), `true system:serviceaccount:${namespace}:web`);
    assert.doesNotMatch(await review('somebody-else'), /true/);
  } finally {
    await kubectl(['delete', 'namespace', namespace, '--wait=false']);
  }
});
