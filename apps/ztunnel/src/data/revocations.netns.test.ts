/** Revoked peers at two workers with tunnels between them: new ones, open ones, both sides, and who is not meant. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { netnsSkipReason } from '@ambit/testing';
import { readToEnd, type TestPod, TwoNodes, until } from './test-support/two-nodes.ts';

const skip = netnsSkipReason();
const CLOSED = 'connection closed: peer certificate revoked by CRL';
const rejections = (nodes: TwoNodes, reporter: string): RegExp | undefined =>
  new RegExp(`istio_crl_policy_rejections_total\\{reporter="${reporter}"[^}]*\\} [1-9]`, 'u').test(nodes.metrics())
    ? /yes/u
    : undefined;

async function start(): Promise<TwoNodes> {
  const nodes = await TwoNodes.start({ checksRevocation: true });
  nodes.serve(nodes.server, 8080, (socket) => socket.pipe(socket));
  return nodes;
}

const ask = async (nodes: TwoNodes): Promise<string> =>
  (await nodes.exchange(nodes.client, nodes.server.address, 8080, 'hello')).received;

const table: readonly [name: string, reporter: string, flag: string, pods: (nodes: TwoNodes) => [TestPod, TestPod]][] =
  [
    ['a client', 'destination', 'direction="inbound"', ({ server, client }) => [server, client]],
    ['a server', 'source', 'direction="outbound"', ({ server, client }) => [client, server]],
  ];

for (const [name, reporter, direction, podsOf] of table)
  test(
    `${name} that is revoked loses its open connection and gets no new one, until the list is replaced`,
    { skip },
    async () => {
      await using nodes = await start();
      const [judge, revoked] = podsOf(nodes);
      const open = await nodes.connect(nodes.client, nodes.server.address, 8080);
      open.write('before');
      await once(open, 'data');
      const end = readToEnd(open);

      nodes.revoke(judge, [judge]);
      await nodes.settled();
      assert.equal(await ask(nodes), 'hello', 'somebody else is meant');

      nodes.revoke(judge, [revoked]);
      await end;
      await nodes.logLine(direction, CLOSED);
      await until(
        () => rejections(nodes, reporter),
        () => nodes.metrics(),
      );
      assert.equal(await ask(nodes), '');
      await nodes.logLine(direction, 'certificate revoked');

      nodes.revoke(judge, []);
      await nodes.settled();
      assert.equal(await ask(nodes), 'hello');
    },
  );
