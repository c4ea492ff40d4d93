import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { security, workload } from '@ambit/api';
import { WorkloadArena, WorkloadStore, changeCount } from '@ambit/workload';
import { configDump } from './config-dump.ts';

async function dump(): Promise<Record<string, unknown>> {
  const arena = new WorkloadArena({});
  const store = new WorkloadStore({ localNode: 'n1' });
  const pod = create(workload.WorkloadSchema, {
    uid: 'Kubernetes//Pod/shop/web',
    name: 'web',
    namespace: 'shop',
    addresses: [new Uint8Array([10, 0, 0, 1])],
    node: 'n1',
    tunnelProtocol: workload.TunnelProtocol.HBONE,
    serviceAccount: 'web',
    workloadType: workload.WorkloadType.POD,
    workloadName: 'web',
    authorizationPolicies: ['shop/p'],
    services: { 'shop/web.shop.svc.cluster.local': { ports: [{ servicePort: 80, targetPort: 8080 }] } },
  });
  const service = create(workload.ServiceSchema, {
    name: 'web',
    namespace: 'shop',
    hostname: 'web.shop.svc.cluster.local',
    addresses: [{ address: new Uint8Array([10, 96, 0, 1]) }],
    ports: [{ servicePort: 80, targetPort: 8080 }],
    canonical: true,
  });
  arena.upsert(
    toBinary(workload.AddressSchema, create(workload.AddressSchema, { type: { case: 'workload', value: pod } })),
  );
  arena.upsert(
    toBinary(workload.AddressSchema, create(workload.AddressSchema, { type: { case: 'service', value: service } })),
  );
  const batch = arena.takeBatch();
  assert.ok(batch);
  store.apply(batch, 0, changeCount(batch));
  const policy = create(security.AuthorizationSchema, {
    name: 'p',
    namespace: 'shop',
    scope: security.Scope.WORKLOAD_SELECTOR,
    action: security.Action.DENY,
    rules: [
      {
        clauses: [
          {
            matches: [
              {
                notPrincipals: [{ matchType: { case: 'presence', value: {} } }],
                sourceIps: [{ address: new Uint8Array([10, 0, 0, 0]), length: 8 }],
              },
              {},
            ],
          },
        ],
      },
    ],
  });
  let text = '';
  for await (const chunk of configDump({
    certificates: () => [],
    config: () => ({ proxy: true }),
    policies: () => [policy],
    services: () => store.services(),
    stagedServices: () => store.stagedServices(),
    workloads: () => store.workloads(),
    view: store,
    version: () => ({ version: 'x' }),
    pods: () => [{ uid: 'u1', info: { name: 'web', namespace: 'shop', serviceAccount: 'web' }, state: 'up' }],
    connections: () =>
      Promise.resolve({
        u1: {
          inbound: [{ src: '10.0.0.2:1', originalDst: null, actualDst: '10.0.0.1:8080', protocol: 'HBONE' }],
          outbound: [],
        },
      }),
  }))
    text += chunk;
  return JSON.parse(text);
}

describe('configDump', () => {
  test('shows a workload as the Rust ztunnel does', async () => {
    assert.deepEqual((await dump())['workloads'], [
      {
        uid: 'Kubernetes//Pod/shop/web',
        workloadIps: ['10.0.0.1'],
        protocol: 'HBONE',
        networkMode: 'Standard',
        name: 'web',
        namespace: 'shop',
        trustDomain: 'cluster.local',
        serviceAccount: 'web',
        workloadName: 'web',
        workloadType: 'pod',
        canonicalName: '',
        canonicalRevision: '',
        status: 'Healthy',
        clusterId: 'Kubernetes',
        capacity: 1,
        node: 'n1',
        services: ['shop/web.shop.svc.cluster.local'],
        authorizationPolicies: ['shop/p'],
      },
    ]);
  });

  test('shows a service with its endpoints, ports as text keys', async () => {
    assert.deepEqual((await dump())['services'], [
      {
        name: 'web',
        namespace: 'shop',
        hostname: 'web.shop.svc.cluster.local',
        vips: ['/10.96.0.1'],
        ports: { 80: 8080 },
        endpoints: {
          'Kubernetes//Pod/shop/web': {
            workloadUid: 'Kubernetes//Pod/shop/web',
            port: { 80: 8080 },
            status: 'Healthy',
          },
        },
        subjectAltNames: [],
        canonical: true,
        visibility: 'Public',
      },
    ]);
  });

  test('shows rules, clauses and matches as nested lists and an empty match as an empty object', async () => {
    assert.deepEqual((await dump())['policies'], [
      {
        name: 'p',
        namespace: 'shop',
        scope: 'WorkloadSelector',
        action: 'Deny',
        rules: [[[{ notPrincipals: [{ Presence: [] }], sourceIps: ['10.0.0.0/8'] }, {}]]],
        dryRun: false,
      },
    ]);
  });

  test('shows the state and the connections of each pod', async () => {
    assert.deepEqual((await dump())['workloadState'], {
      u1: {
        state: 'Up',
        info: { name: 'web', namespace: 'shop', serviceAccount: 'web' },
        connections: {
          inbound: [{ src: '10.0.0.2:1', originalDst: null, actualDst: '10.0.0.1:8080', protocol: 'HBONE' }],
          outbound: [],
        },
      },
    });
  });
});
