import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEnrolled, judgeMesh, type MeshObjects } from './mesh-health.ts';

function controller(part: string, ready: number, kind = 'Deployment'): object {
  const labels = { 'app.kubernetes.io/component': part, 'app.kubernetes.io/version': '0.1.0' };
  const daemonSet = { desiredNumberScheduled: 2, numberReady: ready, updatedNumberScheduled: 2 };
  return {
    kind,
    metadata: { namespace: 'm', name: part, labels },
    spec: { replicas: 2 },
    status: kind === 'DaemonSet' ? daemonSet : { readyReplicas: ready, updatedReplicas: 2 },
  };
}

function pod(name: string, status: string, message: string): object {
  return {
    metadata: { namespace: 'shop', name },
    status: { conditions: [{ type: 'ambit.dev/Enforced', status, message }] },
  };
}

const GOOD: MeshObjects = {
  namespace: 'm',
  controllers: [
    controller('control-plane', 2),
    controller('ca', 2),
    controller('cni-agent', 2, 'DaemonSet'),
    controller('ztunnel', 2, 'DaemonSet'),
  ],
  pods: [],
  trust: { data: { 'root-cert.pem': '-----BEGIN CERTIFICATE-----' } },
  webhook: { webhooks: [{ clientConfig: { caBundle: 'AA==' } }] },
  enrolledPods: [pod('a', 'True', '')],
  configuration: [],
};

function complaints(change: Partial<MeshObjects>): string[] {
  return judgeMesh({ ...GOOD, ...change }).flatMap((finding) => (finding.kind === 'good' ? [] : [finding.text]));
}

test('a mesh that works has nothing to complain about', () => {
  assert.deepEqual(complaints({}), []);
  assert.ok(judgeMesh(GOOD).some(({ text }) => text === '1 pod proven to be in the mesh'));
});

test('parts that are not ready, or not there, are named', () => {
  assert.deepEqual(complaints({ controllers: [controller('ca', 1), ...GOOD.controllers.slice(2)] }), [
    'ca: 1 of 2 ready',
    'not installed: control-plane',
  ]);
  const [, ...others] = GOOD.controllers;
  assert.deepEqual(complaints({ controllers: [controller('control-plane', 0), ...others] }), [
    'control-plane: 0 of 2 ready',
  ]);
});

test('a pod that does not start is told with its last words', () => {
  const crashed = (message = 'no key\n'): object => ({
    metadata: { namespace: 'm', name: 'ca-1' },
    spec: { nodeName: 'node1' },
    status: {
      containerStatuses: [
        { state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated: { message } } },
      ],
    },
  });
  assert.deepEqual(complaints({ pods: [crashed()] }), ['m/ca-1 (node1): CrashLoopBackOff: no key']);
  const logged =
    '{"level":"info","message":"starts"}\n{"level":"error","message":"process ends","error":"no source"}\n';
  assert.deepEqual(complaints({ pods: [crashed(logged)] }), ['m/ca-1 (node1): CrashLoopBackOff: no source']);
});

test('a pod that finds no node is told in the words of the scheduler', () => {
  const conditions = [
    { type: 'PodScheduled', status: 'False', message: '0/2 nodes are available: 2 Insufficient cpu.' },
  ];
  const pending = { metadata: { namespace: 'm', name: 'ca-1' }, status: { conditions } };
  assert.deepEqual(complaints({ pods: [pending] }), [
    'm/ca-1 has no node: 0/2 nodes are available: 2 Insufficient cpu.',
  ]);
});

test('missing trust and a webhook without trust are told', () => {
  assert.match(complaints({ trust: undefined })[0] ?? '', /istio-ca-root-cert in m/);
  assert.match(complaints({ webhook: { webhooks: [{ clientConfig: {} }] } })[0] ?? '', /no trust bundle/);
  assert.deepEqual(complaints({ webhook: undefined }), [], 'it can be switched off');
});

test('pods that should be in the mesh and are not are errors, the first ten by name', () => {
  const broken = Array.from({ length: 12 }, (_, index) => pod(`p${index}`, 'False', 'no rules'));
  const told = complaints({ enrolledPods: broken });
  assert.equal(told.length, 11);
  assert.equal(told[0], 'shop/p0 should be in the mesh and is not: no rules');
  assert.equal(told[10], 'and 2 more');
});

test('a pod belongs to the mesh by its annotation or its condition', () => {
  assert.equal(isEnrolled(pod('a', 'False', '')), true);
  assert.equal(isEnrolled({ metadata: { annotations: { 'ambient.istio.io/redirection': 'pending' } } }), true);
  assert.equal(isEnrolled({ metadata: { annotations: {} }, status: {} }), false);
});
