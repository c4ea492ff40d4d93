/** The audit trail on a real NATS server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventBus, NatsTransport } from '@ambit/events';
import { makeSpiffeId } from '@ambit/identity';
import { eventually, NatsServer, natsSkipReason } from '@ambit/testing';
import { CaUnderTest } from '../testing/ca-under-test.ts';

const skip = natsSkipReason();
const cart = makeSpiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'cart' });

const stream = 'AMBIT_AUDIT';

test('the CA issues with and without NATS; what it could not tell is counted', { skip, timeout: 90_000 }, async () => {
  await using nats = await NatsServer.prepare();
  await using transport = new NatsTransport({ servers: [nats.url], name: 'ca', keepsAudit: true, queueLimit: 20 });
  await using bus = new EventBus({ transport, source: 'ca/test' });
  await using ca = await CaUnderTest.start({ bus });
  const { client, channel } = ca.nodeClient('node1');
  using _ = channel;
  const issue = async (count: number): Promise<void> => {
    for (let one = 0; one < count; one += 1)
      await client.fetchCertificate(cart, { signal: AbortSignal.timeout(5_000) });
  };
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${ca.running.httpPort}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
  };

  await issue(5);
  assert.deepEqual([await metric('ambit_ca_bus_connected'), await metric('ambit_ca_audit_events_queued')], [0, 5]);
  await nats.start();
  await eventually('events of the time before are kept', async () => (await nats.messagesIn(stream)) === 5);
  await issue(3);
  await eventually('events are kept', async () => (await nats.messagesIn(stream)) === 8);
  await nats.kill();
  await eventually('the loss shows', async () => (await metric('ambit_ca_bus_connected')) === 0);
  await issue(30);
  assert.equal(await metric('ambit_ca_audit_events_queued'), 20);
  assert.equal(await metric('ambit_ca_audit_events_dropped_total'), 10);
  assert.equal(await metric('citadel_server_success_cert_issuance_count'), 38);
  await nats.start();
  await eventually('the newest events are kept', async () => (await nats.messagesIn(stream)) === 28);
  assert.equal(await metric('ambit_ca_bus_connected'), 1);
});
