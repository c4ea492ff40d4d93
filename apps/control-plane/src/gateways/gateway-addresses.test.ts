import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serviceAddresses } from './gateway-addresses.ts';

const metadata = { name: 'web-ambit', namespace: 'shop' };

test('a load balancer counts, not what the cluster gives it beside', () => {
  const spec = { type: 'LoadBalancer', clusterIP: '10.96.0.7' };
  assert.deepEqual(serviceAddresses({ metadata, spec }, 'cluster.local'), []);
  const status = { loadBalancer: { ingress: [{ ip: '192.0.2.1' }, { hostname: 'lb.example' }, {}] } };
  assert.deepEqual(serviceAddresses({ metadata, spec, status }, 'cluster.local'), [
    { type: 'IPAddress', value: '192.0.2.1' },
    { type: 'Hostname', value: 'lb.example' },
  ]);
});

test('without one it is reached inside the cluster', () => {
  const spec = { type: 'ClusterIP', clusterIP: '10.96.0.7' };
  assert.deepEqual(serviceAddresses({ metadata, spec }, 'mesh.local'), [
    { type: 'IPAddress', value: '10.96.0.7' },
    { type: 'Hostname', value: 'web-ambit.shop.svc.mesh.local' },
  ]);
  assert.deepEqual(serviceAddresses({ metadata, spec: { clusterIP: 'None' } }, 'cluster.local'), []);
  assert.deepEqual(serviceAddresses(undefined, 'cluster.local'), []);
});
