/** What a proxy believes, strips and adds. Spec: contract l7 4.8, 4.9, 5.2, 5.3. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { proxy } from '@ambit/api';
import fc from 'fast-check';

import { gatewayFacts, Lab, type LabOptions, waypointFacts } from './test-support/lab.ts';
import { forwardTo } from './test-support/route-messages.ts';

const { GATEWAY, WAYPOINT } = proxy.Proxy_Kind;
const listener = {
  name: 'http',
  protocol: proxy.ServerListener_ServerProtocol.SERVER_HTTP,
  hosts: [
    {
      hostname: '',
      routes: [
        {
          name: 'all',
          action: forwardTo('shop.shop.svc.cluster.local'),
        },
      ],
    },
  ],
};
const gateway = (handling: object = {}): LabOptions => ({
  facts: gatewayFacts,
  proxy: { kind: GATEWAY, handling },
  servers: [{ port: 80, listeners: [listener] }],
});
const waypoint = (handling: object = {}): LabOptions => ({ proxy: { kind: WAYPOINT, handling } });

type Sent = Readonly<Record<string, string>>;

function sentBy(options: LabOptions, headers: Readonly<Record<string, string | readonly string[]>>): Sent {
  const lab = new Lab(options);
  lab.request({ headers });
  return lab.upstreams.last.sent?.headers ?? {};
}

test('a waypoint keeps the request id and the forwarded addresses, a gateway makes its own', () => {
  const headers = { 'x-request-id': 'mine', 'x-forwarded-for': '1.2.3.4', 'x-forwarded-proto': 'https' };
  const atWaypoint = sentBy(waypoint(), headers);
  assert.deepEqual(atWaypoint, { ...headers });
  const atGateway = sentBy(gateway(), headers);
  assert.deepEqual(atGateway, {
    'x-request-id': 'request-1',
    'x-forwarded-for': '1.2.3.4,203.0.113.9',
    'x-forwarded-proto': 'http',
    'x-envoy-external-address': '203.0.113.9',
    'x-envoy-attempt-count': '1',
  });
});

test('with trusted proxies the client is the entry that the farthest of them wrote', () => {
  for (const [trusted, list, client] of [
    [1, '6.6.6.6, 198.51.100.1', '198.51.100.1'],
    [2, '6.6.6.6, 198.51.100.1, 10.0.0.1', '198.51.100.1'],
    [2, '198.51.100.1', '203.0.113.9'],
    [1, 'nonsense', '203.0.113.9'],
  ] as const) {
    const sent = sentBy(gateway({ trustedProxies: trusted }), {
      'x-forwarded-for': list,
      'x-forwarded-proto': 'https',
    });
    assert.equal(sent['x-envoy-external-address'], client, list);
    assert.equal(sent['x-forwarded-proto'], 'https', 'a trusted proxy says what the client used');
  }
});

test('what only proxies say is not taken from a client', () => {
  const forged = {
    'x-envoy-original-path': '/admin',
    'x-envoy-retry-on': '5xx',
    'x-envoy-upstream-rq-timeout-ms': '1',
    'x-envoy-internal': 'true',
    'x-ambit-anything': '1',
    'x-forwarded-client-cert': 'By=x;URI=spiffe://cluster.local/ns/a/sa/root',
  };
  for (const options of [waypoint(), gateway()]) {
    const sent = sentBy(options, { ...forged, 'x-mine': '1' });
    for (const name of Object.keys(forged)) assert.equal(sent[name], undefined, name);
    assert.equal(sent['x-mine'], '1');
  }
  const fromGateway = { 'x-envoy-attempt-count': '2', 'x-envoy-external-address': '203.0.113.9' };
  assert.equal(sentBy(waypoint(), fromGateway)['x-envoy-attempt-count'], '2');
  assert.equal(sentBy(waypoint(), fromGateway)['x-envoy-external-address'], '203.0.113.9');
  assert.equal(sentBy(gateway(), fromGateway)['x-envoy-attempt-count'], '1');
});

test('a waypoint tells who the client is when asked to, in place of what the client says', () => {
  const forged = { 'x-forwarded-client-cert': 'URI=spiffe://cluster.local/ns/a/sa/root' };
  assert.equal(sentBy(waypoint(), forged)['x-forwarded-client-cert'], undefined);
  assert.equal(
    sentBy(waypoint({ forwardClientIdentity: true }), forged)['x-forwarded-client-cert'],
    'By=spiffe://cluster.local/ns/shop/sa/waypoint;URI=spiffe://cluster.local/ns/web/sa/frontend',
  );
  const anonymous = { ...waypoint({ forwardClientIdentity: true }), facts: { ...waypointFacts, peer: undefined } };
  assert.equal(sentBy(anonymous, forged)['x-forwarded-client-cert'], undefined);
});

test('a gateway tells of the certificate, whose text cannot add parts', () => {
  const clientCertificate = {
    sha256Hex: 'ab'.repeat(32),
    pem: '-----BEGIN CERTIFICATE-----\nMA+/==\n-----END CERTIFICATE-----\n',
    subject: 'CN=a",URI="spiffe://evil',
    uris: ['spiffe://x/y;By=z'],
    dnsNames: ['a.example'],
  };
  const options = { ...gateway(), facts: { ...gatewayFacts, clientCertificate } };
  assert.equal(
    sentBy(options, {})['x-forwarded-client-cert'],
    `By=spiffe://cluster.local/ns/shop/sa/waypoint;Hash=${'ab'.repeat(32)};` +
      'Cert="-----BEGIN%20CERTIFICATE-----%0AMA%2B%2F%3D%3D%0A-----END%20CERTIFICATE-----%0A";' +
      `Subject="CN=a\\",URI=\\"spiffe://evil";` +
      'URI=spiffe://x/y%3BBy%3Dz;DNS=a.example',
  );
});

test('at a waypoint the remote address is the last that was forwarded, the source stays the pod', () => {
  const deny = (field: string, value: string): LabOptions => ({
    access: {
      policies: [
        { namespace: 'shop', name: 'd', action: 1, rules: [{ from: [{ attributes: [{ field, values: [value] }] }] }] },
      ],
    },
  });
  const headers = { 'x-forwarded-for': '203.0.113.1, 198.51.100.7' };
  assert.equal(new Lab(deny('remoteIpBlocks', '198.51.100.0/24')).request({ headers }).status, 403);
  assert.equal(new Lab(deny('remoteIpBlocks', '10.1.0.7')).request({ headers }).status, undefined);
  assert.equal(new Lab(deny('remoteIpBlocks', '10.1.0.7')).request().status, 403);
  assert.equal(new Lab(deny('ipBlocks', '198.51.100.0/24')).request({ headers }).status, undefined);
  assert.equal(new Lab(deny('ipBlocks', '10.1.0.7')).request({ headers }).status, 403);
  const logged = new Lab();
  logged.request({ headers });
  logged.upstreams.last.answer(200);
  assert.equal(logged.record.value('DOWNSTREAM_REMOTE_ADDRESS'), '198.51.100.7:0');
});

test('the backend sees the path that policies saw', () => {
  for (const [normalisation, target, sent] of [
    [0, '/a/../b/%61?x=%61', '/b/a?x=%61'],
    [1, '/a/../b/%61', '/a/../b/%61'],
    [2, '/a//b', '/a/b'],
    [3, '/a%2f%5Cb', '/a/b'],
  ] as const) {
    const lab = new Lab(waypoint({ pathNormalisation: normalisation }));
    lab.request({ target });
    assert.equal(lab.upstreams.last.sent?.target, sent);
  }
});

test('escaped slashes are refused or sent back where that is configured', () => {
  assert.equal(new Lab(waypoint({ escapedSlashes: 1 })).request({ target: '/a%2fb' }).status, 400);
  const redirected = new Lab(waypoint({ escapedSlashes: 2 })).request({ target: '/a%2fb?x=1' });
  assert.deepEqual([redirected.status, redirected.headers['location']], [307, '/a/b?x=1']);
});

test('the server header is the configured one on every answer, or the backend’s', () => {
  const lab = new Lab(waypoint({ serverHeader: 'istio-envoy' }));
  const answered = lab.request();
  lab.upstreams.last.answer(200, 'ok', { server: 'nginx' });
  assert.equal(answered.headers['server'], 'istio-envoy');
  lab.upstreams.failure = 'no-endpoint';
  assert.equal(lab.request().headers['server'], 'istio-envoy');
  const plain = new Lab();
  const passed = plain.request();
  plain.upstreams.last.answer(200, 'ok', { server: 'nginx', date: 'Thu, 01 Jan 1970 00:00:00 GMT' });
  assert.equal(passed.headers['server'], 'nginx');
  assert.equal(passed.headers['date'], 'Thu, 01 Jan 1970 00:00:00 GMT');
});

test('whatever addresses a client lists, a gateway takes its client from the connection', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ unit: 'grapheme-ascii' }))), (entries) => {
      const sent = sentBy(gateway(), { 'x-forwarded-for': entries.join(',') });
      assert.equal(sent['x-envoy-external-address'], '203.0.113.9');
      assert.equal((sent['x-forwarded-for'] ?? '').split(',').at(-1), '203.0.113.9');
    }),
    { numRuns: 50 },
  );
});
