import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { security } from '@ambit/api';
import { enforcementProbe } from '@ambit/net';
import { netnsSkipReason } from '@ambit/testing';
import { type Exchange, readToEnd, TwoNodes, until } from './test-support/two-nodes.ts';

const skip = netnsSkipReason();
const { ALLOW, DENY } = security.Action;
const { NAMESPACE, WORKLOAD_SELECTOR } = security.Scope;

/** Answers the client's address and what it said, when the client has ended. */
function echo(socket: Socket): void {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('end', () => socket.end(`${socket.remoteAddress} said ${Buffer.concat(chunks).toString()}`));
}

/** Sends back at once. */
function bounce(socket: Socket): void {
  socket.pipe(socket);
}

const refused = ({ received }: Exchange): void => assert.equal(received, '');

test(
  'a connection between pods goes through one mutual TLS tunnel and keeps the address of the client',
  { skip },
  async () => {
    await using nodes = await TwoNodes.start();
    nodes.serve(nodes.server, 8080, echo);
    const { received } = await nodes.exchange(nodes.client, '10.77.0.2', 8080, 'hello');
    assert.equal(received, '10.77.0.1 said hello');

    const outbound = await nodes.logLine('direction="outbound"', 'connection complete');
    for (const part of [
      'src.workload="client" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/client"',
      'dst.addr=10.77.0.2:15008 dst.hbone_addr=10.77.0.2:8080',
      'dst.workload="server" dst.namespace="shop" dst.identity="spiffe://cluster.local/ns/shop/sa/server"',
      'bytes_sent=5 bytes_recv=20',
    ])
      assert.ok(outbound.includes(part), `${part}\n${outbound}`);
    const inbound = await nodes.logLine('direction="inbound"', 'connection complete');
    assert.ok(inbound.includes('bytes_sent=20 bytes_recv=5'), inbound);
    assert.ok(inbound.includes('src.identity="spiffe://cluster.local/ns/shop/sa/client"'), inbound);

    const received5 =
      /istio_tcp_received_bytes_total\{reporter="(source|destination)".*connection_security_policy="mutual_tls".*\} 5\n/gu;
    await nodes.metric(received5, 2);
    await nodes.metric(/istio_tcp_connections_closed_total\{reporter="destination".*response_flags="-"/u);
    await nodes.message((m) => m.kind === 'flow' && m.flow.reporter === 'source' && m.flow.bytesReceived === 5);
  },
);

test(
  'the enforcement probe is answered with pod and identity, and leaves no trace in log and metrics',
  { skip },
  async () => {
    await using nodes = await TwoNodes.start();
    nodes.client.netns.run('ip', '-6', 'route', 'add', 'default', 'via', 'fd77::2');
    const before = nodes.metrics();
    for (const address of [enforcementProbe.v4, enforcementProbe.v6]) {
      const { received } = await nodes.exchange(nodes.client, address, enforcementProbe.port, '');
      assert.equal(received, 'ambit-probe 1 shop/client valid spiffe://cluster.local/ns/shop/sa/client\n');
    }
    assert.deepEqual(nodes.logLines(), []);
    assert.equal(nodes.metrics(), before);
  },
);

test('a service address leads to its endpoint and names the service in the log of both sides', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.service('web', '10.96.0.1');
  nodes.workload(nodes.server, {
    services: { 'shop/web.shop.svc.cluster.local': { $typeName: 'istio.workload.PortList', ports: [] } },
  });
  nodes.publish();
  await nodes.settled();
  nodes.serve(nodes.server, 8080, echo);
  const { received } = await nodes.exchange(nodes.client, '10.96.0.1', 80, 'vip');
  assert.equal(received, '10.77.0.1 said vip');
  await nodes.logLine('direction="outbound"', 'dst.service="web.shop.svc.cluster.local"');
  await nodes.logLine('direction="inbound"', 'dst.service="web.shop.svc.cluster.local"');
  refused(await nodes.exchange(nodes.client, '10.96.0.1', 81, 'unknown port'));
  await nodes.logLine('connection failed', 'no healthy upstream: 10.96.0.1:81');
});

test('IPv6 pods reach each other through a tunnel', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.serve(nodes.server, 8080, echo, '::');
  const { received } = await nodes.exchange(nodes.client, 'fd77::2', 8080, 'six');
  assert.equal(received, 'fd77::1 said six');
  await nodes.logLine('dst.addr=[fd77::2]:15008', 'dst.hbone_addr=[fd77::2]:8080');
});

test('many connections share tunnels and carry every byte both ways', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.serve(nodes.server, 8080, bounce);
  const payload = 'x'.repeat(300_000);
  const answers = await Promise.all(
    Array.from({ length: 150 }, () => nodes.exchange(nodes.client, '10.77.0.2', 8080, payload)),
  );
  for (const { received } of answers) assert.equal(received.length, payload.length);
});

test('a pod that is not of the mesh is reached in plaintext, and so is an unknown address', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.workload(nodes.server, { tunnelProtocol: 0 });
  nodes.publish();
  await nodes.settled();
  nodes.serve(nodes.server, 8080, echo);
  const { received } = await nodes.exchange(nodes.client, '10.77.0.2', 8080, 'plain');
  assert.equal(received, '10.77.0.1 said plain');
  const line = await nodes.logLine('direction="inbound"', 'connection complete');
  assert.ok(line.includes('dst.addr=10.77.0.2:8080'), line);
  assert.ok(!line.includes('src.identity'), line);
});

test('a refused application is a failure with CONNECT on both sides', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  refused(await nodes.exchange(nodes.client, '10.77.0.2', 9999, 'nobody'));
  await nodes.logLine('error', 'http status: 503 Service Unavailable');
  await nodes.logLine('error', 'direction="inbound"', 'connection failed: Connection refused');
  const failed = /istio_tcp_connections_failed_total\{reporter="(source|destination)".*response_flags="CONNECT"/gu;
  await nodes.metric(failed, 2);
});

test('ALLOW and DENY decide, and the refusal names the policy in log and report', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.serve(nodes.server, 8080, echo);
  const from = (account: string) => [
    {
      clauses: [
        {
          matches: [
            { principals: [{ matchType: { case: 'exact' as const, value: `cluster.local/ns/shop/sa/${account}` } }] },
          ],
        },
      ],
    },
  ];
  nodes.policy('only-others', { scope: NAMESPACE, action: ALLOW, rules: from('other') });
  await nodes.settled();
  refused(await nodes.exchange(nodes.client, '10.77.0.2', 8080, 'no'));
  await nodes.logLine('direction="inbound"', 'policy rejection: allow policies exist, but none allowed');
  await nodes.logLine('direction="outbound"', 'http status: 401 Unauthorized');

  nodes.policy('only-others', { scope: NAMESPACE, action: ALLOW, rules: from('client') });
  await nodes.settled();
  assert.equal((await nodes.exchange(nodes.client, '10.77.0.2', 8080, 'yes')).received, '10.77.0.1 said yes');

  nodes.policy('no-client', { scope: NAMESPACE, action: DENY, rules: from('client') });
  await nodes.settled();
  refused(await nodes.exchange(nodes.client, '10.77.0.2', 8080, 'no'));
  await nodes.logLine('policy rejection: explicitly denied by: shop/no-client');
  await nodes.message((m) => m.kind === 'denied' && m.denial.policy === 'shop/no-client' && !m.denial.isLate);
  await nodes.metric(/istio_tcp_connections_failed_total\{reporter="destination".*response_flags="DENY"/u);
});

test('a change of policy closes the connection it forbids and leaves the others', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.serve(nodes.server, 8080, bounce);
  nodes.serve(nodes.server, 8081, bounce);
  const doomed = await nodes.connect(nodes.client, '10.77.0.2', 8080);
  const kept = await nodes.connect(nodes.client, '10.77.0.2', 8081);
  for (const socket of [doomed, kept]) {
    socket.write('a');
    await new Promise((resolve) => socket.once('data', resolve));
  }
  nodes.policy('port', {
    scope: NAMESPACE,
    action: DENY,
    rules: [{ clauses: [{ matches: [{ destinationPorts: [8080] }] }] }],
  });
  await readToEnd(doomed);
  await nodes.logLine('direction="inbound"', 'connection closed due to policy change');
  await nodes.message((m) => m.kind === 'denied' && m.denial.isLate && m.denial.policy === 'shop/port');
  kept.write('b');
  assert.equal(String(await new Promise((resolve) => kept.once('data', resolve))), 'b');
});

test('STRICT refuses plaintext and admits the tunnel', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.serve(nodes.server, 8080, echo);
  const presence = { matchType: { case: 'presence' as const, value: { $typeName: 'google.protobuf.Empty' as const } } };
  nodes.policy('strict', {
    scope: WORKLOAD_SELECTOR,
    action: DENY,
    rules: [{ clauses: [{ matches: [{ notPrincipals: [presence] }] }] }],
  });
  nodes.workload(nodes.server, { authorizationPolicies: ['shop/strict'] });
  nodes.publish();
  await nodes.settled();
  assert.equal((await nodes.exchange(nodes.client, '10.77.0.2', 8080, 'mesh')).received, '10.77.0.1 said mesh');
  // The same pod without its proxy is somebody outside of the mesh.
  nodes.worker(nodes.client).post({ kind: 'proxyRemove', uid: 'client' });
  await nodes.settled();
  nodes.client.netns.run('iptables', '-t', 'nat', '-F', 'ISTIO_OUTPUT');
  refused(await nodes.exchange(nodes.client, '10.77.0.2', 8080, 'plain'));
  await nodes.logLine('direction="inbound"', 'dst.addr=10.77.0.2:8080', 'explicitly denied by: shop/strict');
});

test(
  'a policy that a workload names but that has not come holds the connection, then refuses it',
  { skip },
  async () => {
    await using nodes = await TwoNodes.start();
    nodes.serve(nodes.server, 8080, echo);
    nodes.workload(nodes.server, { authorizationPolicies: ['shop/late'] });
    nodes.publish();
    await nodes.settled();
    refused(await nodes.exchange(nodes.client, '10.77.0.2', 8080, 'too late'));
    await nodes.logLine('policy rejection: policy shop/late has not been received');

    const held = nodes.exchange(nodes.client, '10.77.0.2', 8080, 'held');
    await until(
      () => nodes.metrics().includes('reporter="destination"') || undefined,
      () => 'no inbound connection',
    );
    nodes.policy('late', { scope: WORKLOAD_SELECTOR, action: ALLOW, rules: [{ clauses: [] }] });
    await nodes.settled();
    assert.equal((await held).received, '10.77.0.1 said held');
  },
);

test('a server that proves another identity is not talked to', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.serve(nodes.server, 8080, echo);
  nodes.answersCertificates = false;
  nodes.certificate('node1', 'spiffe://cluster.local/ns/shop/sa/client');
  nodes.certificate('node2', 'spiffe://cluster.local/ns/shop/sa/server', 'spiffe://cluster.local/ns/shop/sa/imposter');
  await nodes.settled();
  refused(await nodes.exchange(nodes.client, '10.77.0.2', 8080, 'secret'));
  await nodes.logLine('direction="outbound"', 'did not present the expected identity');
  await nodes.metric(/istio_tcp_connections_failed_total\{reporter="source".*response_flags="TLS_FAILURE"/u);
});

test('a client of another trust domain is refused in the handshake, without a metric', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.answersCertificates = false;
  nodes.certificate('node1', 'spiffe://cluster.local/ns/shop/sa/client', 'spiffe://other.domain/ns/shop/sa/client');
  nodes.certificate('node2', 'spiffe://cluster.local/ns/shop/sa/server');
  await nodes.settled();
  refused(await nodes.exchange(nodes.client, '10.77.0.2', 8080, 'hello'));
  await nodes.logLine('connection failed', 'direction="inbound"', 'tls handshake error');
  assert.ok(!nodes.metrics().includes('istio_tcp_connections_opened_total{reporter="destination"'));
});

test('without a certificate the connection fails with an identity error', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.answersCertificates = false;
  const attempt = nodes.exchange(nodes.client, '10.77.0.2', 8080, 'hello');
  const needed = await nodes.message((m) => m.kind === 'needCertificate');
  const identity = needed.kind === 'needCertificate' ? needed.identity : '';
  assert.equal(identity, 'spiffe://cluster.local/ns/shop/sa/client');
  nodes.worker(nodes.client).post({ kind: 'certificateFailed', identity, error: 'the CA is away' });
  refused(await attempt);
  await nodes.logLine('error="identity error: the CA is away"');
  await nodes.metric(/response_flags="IDENTITY_ERROR"/u);
});

test('a pod whose workload comes late is served when it comes', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.serve(nodes.server, 8080, echo);
  const late = { ...nodes.client, name: 'late' };
  nodes.worker(nodes.client).post({ kind: 'proxyRemove', uid: 'client' });
  nodes.addProxy(late);
  await nodes.message((m) => m.kind === 'proxyStarted' && m.uid === 'late');
  const attempt = nodes.exchange(late, '10.77.0.2', 8080, 'patient');
  nodes.workload(late);
  nodes.publish();
  await nodes.settled();
  assert.equal((await attempt).received, '10.77.0.1 said patient');
});

test('an application that dials a port of the mesh on loopback is refused', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  const { received } = await nodes.exchange(nodes.client, '127.0.0.1', 15001, 'loop');
  assert.equal(received, '');
  await nodes.logLine('connection failed', 'attempted recursive call to ourselves');
});

test('a drain lets a connection end by itself and cuts one that does not', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.serve(nodes.server, 8080, bounce);
  const ending = await nodes.connect(nodes.client, '10.77.0.2', 8080);
  const staying = await nodes.connect(nodes.client, '10.77.0.2', 8080);
  for (const socket of [ending, staying]) {
    socket.write('a');
    await new Promise((resolve) => socket.once('data', resolve));
  }
  nodes.worker(nodes.client).post({ kind: 'drain', deadlineMs: 400 });
  await nodes.settled();
  await assert.rejects(nodes.connect(nodes.client, '10.77.0.2', 8080));
  ending.end('b');
  assert.equal((await readToEnd(ending)).received, 'b');
  await readToEnd(staying);
  const drained = await nodes.message((m) => m.kind === 'drained');
  assert.equal(drained.kind === 'drained' && drained.cutConnections, 1);
  await nodes.logLine('direction="outbound"', 'connection failed to drain within the timeout');
});

test('the list of connections shows both directions', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.serve(nodes.server, 8080, bounce);
  const socket = await nodes.connect(nodes.client, '10.77.0.2', 8080);
  socket.write('a');
  await new Promise((resolve) => socket.once('data', resolve));
  nodes.worker(nodes.client).post({ kind: 'listConnections', query: 1 });
  nodes.worker(nodes.server).post({ kind: 'listConnections', query: 2 });
  const mine = await nodes.message((m) => m.kind === 'connections' && m.query === 1);
  const theirs = await nodes.message((m) => m.kind === 'connections' && m.query === 2);
  const outbound = mine.kind === 'connections' ? mine.pods['client']?.outbound : undefined;
  const inbound = theirs.kind === 'connections' ? theirs.pods['server']?.inbound : undefined;
  assert.equal(outbound?.length, 1);
  assert.deepEqual(
    { ...outbound?.[0], src: '' },
    { src: '', originalDst: '10.77.0.2:8080', actualDst: '10.77.0.2:15008', protocol: 'HBONE' },
  );
  assert.equal(inbound?.length, 1);
  assert.equal(inbound?.[0]?.actualDst, '10.77.0.2:8080');
});

test('a removed pod loses its connections at once and its ports are free again', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.serve(nodes.server, 8080, bounce);
  const socket = await nodes.connect(nodes.client, '10.77.0.2', 8080);
  socket.write('a');
  await new Promise((resolve) => socket.once('data', resolve));
  nodes.worker(nodes.client).post({ kind: 'proxyRemove', uid: 'client' });
  await readToEnd(socket);
  await nodes.logLine('direction="outbound"', 'connection closed due to connection drain');
  await assert.rejects(nodes.connect(nodes.client, '10.77.0.2', 8080));
});

test('SOCKS5 clients are carried as if they had been captured', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.serve(nodes.server, 8080, echo);
  const socket = await nodes.connect(nodes.client, '127.0.0.1', 15080);
  socket.write(Uint8Array.of(5, 1, 0));
  await new Promise((resolve) => socket.once('data', resolve));
  socket.write(Uint8Array.of(5, 1, 0, 1, 10, 77, 0, 2, 0x1f, 0x90));
  const reply: Buffer = await new Promise((resolve) => socket.once('data', resolve));
  assert.deepEqual([...reply], [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  socket.end('socks');
  assert.equal((await readToEnd(socket)).received, '10.77.0.1 said socks');
});

test('in on-demand mode an unknown address is asked for before it is passed through', { skip }, async () => {
  await using nodes = await TwoNodes.start({ isOnDemand: true });
  nodes.service('web', '10.96.0.1');
  nodes.workload(nodes.server, {
    services: { 'shop/web.shop.svc.cluster.local': { $typeName: 'istio.workload.PortList', ports: [] } },
  });
  nodes.serve(nodes.server, 8080, echo);
  const attempt = nodes.exchange(nodes.client, '10.96.0.1', 80, 'demanded');
  await nodes.message((m) => m.kind === 'demand' && m.name === '/10.96.0.1');
  nodes.publish();
  nodes.worker(nodes.client).post({ kind: 'demanded', name: '/10.96.0.1' });
  assert.equal((await attempt).received, '10.77.0.1 said demanded');
});
