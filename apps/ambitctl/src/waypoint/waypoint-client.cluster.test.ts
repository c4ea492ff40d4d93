import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterAccess, KubeClient } from '@ambit/kube';
import { applyWaypoint } from './waypoint-client.ts';

const kubeconfigPath = process.env['AMBIT_TEST_KUBECONFIG'] ?? '';
const skip = kubeconfigPath === '' ? 'set AMBIT_TEST_KUBECONFIG to a kubeconfig' : false;

test('a waypoint in a namespace that is not there: the namespace is told, not the definitions', { skip }, async () => {
  const client = new KubeClient(await clusterAccess({ kubeconfigPath }), { userAgent: 'ambit-test' });
  const wish = { namespace: 'nobody-made-it', name: 'waypoint', className: 'ambit-waypoint' };
  await assert.rejects(applyWaypoint(client, { ...wish, traffic: undefined, revision: undefined }), {
    code: 'NO_NAMESPACE',
  });
  client.close();
});
