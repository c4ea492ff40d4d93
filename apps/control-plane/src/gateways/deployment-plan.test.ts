import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPlainObject } from '@ambit/kube';
import { planDeployment, type PlannedObject } from './deployment-plan.ts';
import { defaultProxyResources, type DeploymentSettings } from './deployment-settings.ts';
import { type GatewayObject, readGatewayObject } from './gateway-object.ts';
import { type Overlays, readOverlays } from './gateway-overlays.ts';
import { managedClasses } from './managed-class.ts';

const settings: DeploymentSettings = {
  image: 'localhost/ambit/waypoint:1',
  pullPolicy: 'IfNotPresent',
  pullSecrets: ['regcred'],
  xdsAddress: 'https://ambit-control-plane.ambit-system.svc:15012',
  caAddress: 'https://ambit-ca.ambit-system.svc:15013',
  clusterId: 'Kubernetes',
  clusterDomain: 'cluster.local',
  trustDomain: 'cluster.local',
  network: '',
  logLevel: 'info',
  resources: defaultProxyResources,
};
const [waypointClass] = managedClasses(false);

function gatewayOf(metadata: object = {}, spec: object = {}): GatewayObject {
  return readGatewayObject({
    metadata: { name: 'waypoint', namespace: 'shop', uid: 'u1', generation: 2, ...metadata },
    spec: {
      gatewayClassName: 'ambit-waypoint',
      listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }],
      ...spec,
    },
  });
}

function plan(gateway: GatewayObject, overlays: readonly Overlays[] = []): readonly PlannedObject[] {
  assert.ok(waypointClass);
  return planDeployment({ gateway, managed: waypointClass, settings, overlays });
}

function at(object: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (Array.isArray(value) ? value[Number(key)] : isPlainObject(value) ? value[key] : undefined),
    object,
  );
}

const find = (objects: readonly PlannedObject[], key: string): unknown =>
  objects.find((planned) => planned.key === key)?.object;

test('a waypoint is an account, a Deployment and a Service of the name of its Gateway', () => {
  const objects = plan(gatewayOf());
  assert.deepEqual(
    objects.map(({ key, name }) => `${key} ${name}`),
    ['serviceAccount waypoint', 'deployment waypoint', 'service waypoint'],
  );
  const deployment = find(objects, 'deployment');
  assert.deepEqual(at(deployment, 'spec', 'selector', 'matchLabels'), {
    'gateway.networking.k8s.io/gateway-name': 'waypoint',
  });
  assert.equal(at(deployment, 'spec', 'replicas'), undefined, 'an autoscaler may own them');
  assert.deepEqual(at(deployment, 'metadata', 'ownerReferences', 0, 'uid'), 'u1');
  const labels = at(deployment, 'spec', 'template', 'metadata', 'labels');
  assert.deepEqual(labels, {
    'gateway.networking.k8s.io/gateway-name': 'waypoint',
    'gateway.networking.k8s.io/gateway-class-name': 'ambit-waypoint',
    'gateway.istio.io/managed': 'ambit.dev-mesh-controller',
    'sidecar.istio.io/inject': 'false',
    'istio.io/dataplane-mode': 'none',
    'service.istio.io/canonical-name': 'waypoint',
    'service.istio.io/canonical-revision': 'latest',
  });
  assert.deepEqual(at(find(objects, 'service'), 'spec', 'ports'), [
    { name: 'status-port', port: 15_021, protocol: 'TCP', appProtocol: 'tcp' },
    { name: 'mesh', port: 15_008, protocol: 'TCP', appProtocol: 'hbone' },
  ]);
});

test('its pod has no rights', () => {
  const pod = at(find(plan(gatewayOf()), 'deployment'), 'spec', 'template', 'spec');
  assert.deepEqual(at(pod, 'containers', 0, 'securityContext'), {
    allowPrivilegeEscalation: false,
    privileged: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    runAsUser: 1337,
    runAsGroup: 1337,
    capabilities: { drop: ['ALL'] },
  });
  assert.equal(at(pod, 'automountServiceAccountToken'), false);
  assert.equal(at(pod, 'volumes', 1, 'projected', 'sources', 0, 'serviceAccountToken', 'audience'), 'istio-ca');
  assert.deepEqual(at(pod, 'imagePullSecrets'), [{ name: 'regcred' }]);
});

test('trap 46: labels of the Gateway are copied, unless spec.infrastructure says its own', () => {
  const metadata = {
    labels: { team: 'a', 'gateway.networking.k8s.io/gateway-name': 'forged', 'gateway.istio.io/managed': 'forged' },
    annotations: { note: 'b', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
  };
  const copied = find(plan(gatewayOf(metadata)), 'deployment');
  assert.equal(at(copied, 'metadata', 'labels', 'team'), 'a');
  assert.equal(at(copied, 'metadata', 'labels', 'gateway.networking.k8s.io/gateway-name'), 'waypoint');
  assert.equal(at(copied, 'metadata', 'labels', 'gateway.istio.io/managed'), 'ambit.dev-mesh-controller');
  assert.deepEqual(at(copied, 'metadata', 'annotations'), { note: 'b' });
  const said = find(plan(gatewayOf(metadata, { infrastructure: { labels: { team: 'c' } } })), 'service');
  assert.equal(at(said, 'metadata', 'labels', 'team'), 'c');
  assert.deepEqual(at(said, 'metadata', 'annotations'), { 'networking.istio.io/traffic-distribution': 'PreferClose' });
});

test('names can be overridden, and long ones fit', () => {
  const named = plan(
    gatewayOf({
      annotations: { 'gateway.istio.io/name-override': 'wp', 'gateway.istio.io/service-account': 'mine' },
    }),
  );
  assert.deepEqual(
    named.map(({ name }) => name),
    ['mine', 'wp', 'wp'],
  );
  const long = plan(gatewayOf({ name: 'g'.repeat(250) }));
  assert.ok(long.every(({ name }) => name.length === 63));
  const other = plan(gatewayOf({ name: `${'g'.repeat(250)}x` }));
  assert.notEqual(long[1]?.name, other[1]?.name);
});

test('autoscaler and disruption budget exist when somebody says what they are', () => {
  const overlays = readOverlays('p', {
    horizontalPodAutoscaler: 'spec: { minReplicas: 2, maxReplicas: 5 }',
    podDisruptionBudget: 'spec: { minAvailable: 1 }',
    deployment:
      'spec: { template: { spec: { containers: [{ name: istio-proxy, resources: { limits: { memory: 2Gi } } }] } } }',
  });
  assert.notEqual(typeof overlays, 'string');
  if (typeof overlays === 'string') return;
  const objects = plan(gatewayOf(), [{}, overlays]);
  assert.deepEqual(at(find(objects, 'horizontalPodAutoscaler'), 'spec'), {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'waypoint' },
    minReplicas: 2,
    maxReplicas: 5,
  });
  assert.deepEqual(at(find(objects, 'podDisruptionBudget'), 'spec', 'minAvailable'), 1);
  const container = at(find(objects, 'deployment'), 'spec', 'template', 'spec', 'containers', 0);
  assert.deepEqual(at(container, 'resources'), {
    requests: { cpu: '100m', memory: '128Mi' },
    limits: { cpu: '2', memory: '2Gi' },
  });
  assert.equal(at(container, 'image'), settings.image);
});

test('trap 46: overlays that cannot be used are told apart in a sentence', () => {
  for (const [data, words] of [
    [{ deployments: '{}' }, /key "deployments" is none of deployment, service/],
    [{ deployment: '[' }, /key deployment: no YAML/],
    [{ deployment: 'text' }, /key deployment: no object/],
    [{ service: 'metadata: { name: other }' }, /cannot be changed/],
    [{ service: 'x'.repeat(300_000) }, /more than/],
  ] as const) {
    const problem = readOverlays('custom', data);
    assert.equal(typeof problem, 'string');
    assert.match(String(problem), words);
  }
});

test('ports of a gateway have names that a Service may have, and its load balancer is asked for the wanted address', () => {
  const gatewayClass = managedClasses(false).find(({ role }) => role === 'gateway');
  assert.ok(gatewayClass);
  const gateway = gatewayOf(
    { name: 'edge' },
    {
      gatewayClassName: 'ambit',
      addresses: [{ type: 'IPAddress' }, { type: 'IPAddress', value: '192.0.2.7' }],
      listeners: [
        { name: 'web', port: 80, protocol: 'HTTP' },
        { name: 'web.of.team', port: 8080, protocol: 'HTTP' },
        { name: 'a'.repeat(64), port: 443, protocol: 'HTTPS' },
        { name: 'again', port: 80, protocol: 'HTTP' },
      ],
    },
  );
  const service = find(planDeployment({ gateway, managed: gatewayClass, settings, overlays: [] }), 'service');
  assert.equal(at(service, 'spec', 'loadBalancerIP'), '192.0.2.7');
  const ports = at(service, 'spec', 'ports');
  assert.ok(Array.isArray(ports));
  assert.deepEqual(
    ports.map((port) => `${String(at(port, 'name'))} ${String(at(port, 'port'))}`),
    ['status-port 15021', 'web 80', 'port-8080 8080', 'port-443 443'],
  );
});

test('a proxy shows the tag of its image as version, and none for a digest alone', () => {
  const versionOf = (image: string): unknown => {
    assert.ok(waypointClass);
    const all = planDeployment({
      gateway: gatewayOf(),
      managed: waypointClass,
      settings: { ...settings, image },
      overlays: [],
    });
    const env = at(find(all, 'deployment'), 'spec', 'template', 'spec', 'containers', 0, 'env');
    assert.ok(Array.isArray(env));
    return at(
      env.find((one) => at(one, 'name') === 'ISTIO_META_ISTIO_VERSION'),
      'value',
    );
  };
  assert.equal(versionOf('localhost/ambit/waypoint:0.1.0'), '0.1.0');
  assert.equal(versionOf('r.example:5000/waypoint:2@sha256:00'), '2');
  assert.equal(versionOf('r.example:5000/waypoint@sha256:00'), 'unknown');
});
