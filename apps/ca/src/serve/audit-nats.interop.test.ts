/** The audit trail on a real NATS server: `AMBIT_NATS_SERVER` names its binary, else `nats-server` of the PATH. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { EventBus, NatsTransport } from '@ambit/events';
import { makeSpiffeId } from '@ambit/identity';
import { eventually, freePort } from '@ambit/testing';
import { CaUnderTest } from '../testing/ca-under-test.ts';

const binary = process.env['AMBIT_NATS_SERVER'] ?? 'nats-server';
const isThere = spawnSync(binary, ['--version']).status === 0;
const skip = isThere ? false : 'no nats-server: set AMBIT_NATS_SERVER, or install the Debian package nats-server';
const cart = makeSpiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'cart' });

/** A server with JetStream whose files outlive it. */
class Nats implements AsyncDisposable {
  readonly #port: number;
  readonly #store: string;
  readonly #monitor: number;

  static async prepare(): Promise<Nats> {
    return new Nats(await freePort(), await freePort());
  }

  private constructor(port: number, monitor: number) {
    this.#port = port;
    this.#monitor = monitor;
    this.#store = mkdtempSync(join(tmpdir(), 'ambit-ca-nats-'));
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  /** Starts it; disposing what comes back kills it. */
  start(): AsyncDisposable {
    const ports = ['-p', String(this.#port), '-m', String(this.#monitor)];
    const child = spawn(binary, ['-a', '127.0.0.1', ...ports, '-js', '-sd', this.#store], { stdio: 'ignore' });
    const exited = once(child, 'exit');
    return {
      [Symbol.asyncDispose]: async () => {
        child.kill('SIGKILL');
        await exited;
      },
    };
  }

  /** Messages in the audit stream, from the server's own monitoring; -1 while there is no stream. */
  async kept(): Promise<number> {
    try {
      const answer = await (await fetch(`http://127.0.0.1:${this.#monitor}/jsz?streams=true`)).text();
      const found = /"name":\s*"AMBIT_AUDIT"[\s\S]*?"messages":\s*(\d+)/.exec(answer);
      return found === null ? -1 : Number(found[1]);
    } catch {
      return -1;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.#store, { recursive: true, force: true });
  }
}

test('the CA issues with and without NATS; what it could not tell is counted', { skip, timeout: 90_000 }, async () => {
  await using nats = await Nats.prepare();
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
  {
    await using _server = nats.start();
    await eventually('events of the time before are kept', async () => (await nats.kept()) === 5);
    await issue(3);
    await eventually('events are kept', async () => (await nats.kept()) === 8);
  }
  await eventually('the loss shows', async () => (await metric('ambit_ca_bus_connected')) === 0);
  await issue(30);
  assert.equal(await metric('ambit_ca_audit_events_queued'), 20);
  assert.equal(await metric('ambit_ca_audit_events_dropped_total'), 10);
  assert.equal(await metric('citadel_server_success_cert_issuance_count'), 38);
  await using _again = nats.start();
  await eventually('the newest events are kept', async () => (await nats.kept()) === 28);
  assert.equal(await metric('ambit_ca_bus_connected'), 1);
});
