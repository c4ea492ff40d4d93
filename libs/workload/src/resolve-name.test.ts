import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeService, inServices, ip, mesh, pod, service } from './mesh.fixture.ts';
import { resolveName } from './resolve-name.ts';

const external = (namespace: string, hostname: string, ...vips: string[]) =>
  encodeService({ name: hostname, namespace, hostname, addresses: vips.map((vip) => ({ address: ip(vip) })) });

const { store } = mesh([
  pod('client', '10.0.0.1'),
  pod('h1', '10.0.0.2', { services: inServices('headless') }),
  pod('h2', '10.0.0.3', { services: inServices('headless'), network: 'far' }),
  service('web', '10.1.0.1'),
  service('dual', '', { addresses: [{ address: ip('10.1.0.2') }, { address: ip('fd00::2') }] }),
  service('headless', ''),
  service('remote', '', { addresses: [{ network: 'far', address: ip('10.1.0.9') }] }),
  external('shop', '*.example.com', '10.2.0.1'),
  external('shop', 'novip.example.org'),
  external('other', 'both.example.net', '10.2.0.3'),
  external('shop', 'both.example.net', '10.2.0.4'),
  external('aaa', 'pick.example.net', '10.2.0.5'),
  external('zzz', 'pick.example.net', '10.2.0.6'),
]);

function answer(name: string, type: 'A' | 'AAAA' = 'A', isIpv6Enabled = true): string {
  const client = store.workloadByUid('Kubernetes//Pod/shop/client');
  assert.ok(client);
  const result = resolveName({
    view: store,
    client,
    name,
    type,
    clusterDomain: 'cluster.local',
    isIpv6Enabled,
    preferredNamespace: 'zzz',
    random: () => 0,
  });
  if (result.kind === 'forward') return 'forward';
  return [result.cname, ...[...result.addresses].sort()].filter(Boolean).join(' ') || 'empty';
}

const table: readonly [name: string, question: string, expected: string, type?: 'A' | 'AAAA'][] = [
  ['a service by its full name', 'web.shop.svc.cluster.local', '10.1.0.1'],
  ['case and the trailing dot do not matter', 'WEB.shop.svc.cluster.LOCAL.', '10.1.0.1'],
  ['one label is a service of the own namespace', 'web', '10.1.0.1'],
  ['two labels are a service of a namespace', 'web.shop', '10.1.0.1'],
  ['three labels that end in svc', 'web.shop.svc', '10.1.0.1'],
  [
    'a name with the search suffix of the namespace is answered through a CNAME',
    'web.shop.svc.cluster.local.shop.svc.cluster.local',
    'web.shop.svc.cluster.local 10.1.0.1',
  ],
  ['an external name with a search suffix', 'both.example.net.svc.cluster.local', 'both.example.net 10.2.0.4'],
  ['a wildcard', 'a.b.example.com', '10.2.0.1'],
  ['a wildcard match gets no CNAME', 'a.example.com.cluster.local', '10.2.0.1'],
  ['the apex is not the wildcard', 'example.com', 'forward'],
  ['the service of the own namespace wins', 'both.example.net', '10.2.0.4'],
  ['the preferred namespace wins over others', 'pick.example.net', '10.2.0.6'],
  ['an unknown name is forwarded', 'nowhere.example', 'forward'],
  ['an external service without VIP is forwarded', 'novip.example.org', 'forward'],
  ['a headless service answers with its pods, whatever their network', 'headless', '10.0.0.2 10.0.0.3'],
  ['a known name without address in the family is empty', 'web', 'empty', 'AAAA'],
  ['a VIP of another network is not returned', 'remote', 'empty'],
  ['a dual-stack service answers in the asked family', 'dual', 'fd00::2', 'AAAA'],
];

for (const [name, question, expected, type] of table) {
  test(name, () => assert.equal(answer(question, type), expected));
}

test('AAAA is empty when IPv6 is off', () => {
  assert.equal(answer('dual', 'AAAA', false), 'empty');
});
