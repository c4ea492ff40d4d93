/** Shared mode against a scripted node agent: bytes of ZDS, listeners in real namespaces, readiness. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { EPOLLIN, type Fd, io, watchFd } from '@ambit/net';
import { loadConfig } from '@ambit/runtime';
import { eventually, freePort, type Netns, NetnsSet, netnsSkipReason } from '@ambit/testing';
import { runZtunnel } from './ztunnel.ts';
import { ztunnelConfig } from './ztunnel-config.ts';

const skip = netnsSkipReason();
const SNAPSHOT = '1a00';
const ACK = '0a00';

/** `WorkloadRequest.add` with name, namespace and service account. */
function add(uid: string): string {
  const field = (number: number, bytes: Buffer): Buffer =>
    Buffer.concat([Buffer.of(number * 8 + 2, bytes.length), bytes]);
  const info = Buffer.concat(['web', 'shop', 'web'].map((text, i) => field(i + 1, Buffer.from(text))));
  return field(1, Buffer.concat([field(1, Buffer.from(uid)), field(2, info)])).toString('hex');
}

/** `WorkloadRequest.del`; the uid is field 2 there. */
const del = (uid: string): string => `12${two(uid.length + 2)}12${two(uid.length)}${Buffer.from(uid).toString('hex')}`;
const keep = (uid: string): string => `2a${two(uid.length + 2)}0a${two(uid.length)}${Buffer.from(uid).toString('hex')}`;
const two = (length: number): string => length.toString(16).padStart(2, '0');

class Agent implements Disposable {
  readonly #listener: Fd;
  #connection: Fd = -1;

  constructor(path: string) {
    this.#listener = io.seqpacketListen(path);
    assert.ok(this.#listener >= 0);
  }

  async accept(): Promise<void> {
    await readable(this.#listener);
    this.#connection = io.accept(this.#listener);
    assert.ok(this.#connection >= 0);
    assert.equal(await this.receive(), '0801', 'the hello');
  }

  async receive(): Promise<string> {
    await readable(this.#connection);
    const buffer = new Uint8Array(1_024);
    const packet = io.receivePacket(this.#connection, buffer);
    assert.ok(typeof packet !== 'number');
    return Buffer.from(buffer.subarray(0, packet.length)).toString('hex');
  }

  /** Sends one request and returns the answer. */
  async ask(hex: string, netns?: Netns): Promise<string> {
    const fd = netns && io.openNetns(netns.path);
    assert.ok(io.sendPacket(this.#connection, Buffer.from(hex, 'hex'), fd) > 0);
    if (fd !== undefined) io.close(fd);
    return this.receive();
  }

  hangUp(): void {
    io.close(this.#connection);
    this.#connection = -1;
  }

  [Symbol.dispose](): void {
    if (this.#connection >= 0) io.close(this.#connection);
    io.close(this.#listener);
  }
}

async function readable(fd: Fd): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error('nothing to read within twenty seconds')), 20_000);
  const watch = watchFd(fd, EPOLLIN, () => resolve());
  await promise.finally(() => {
    clearTimeout(timer);
    watch[Symbol.dispose]();
  });
}

function listeners(netns: Netns): readonly string[] {
  const lines = netns.run('ss', '-Hltnu').split('\n');
  return lines.flatMap((line) => /:(\d+)\s+\S+:\*/.exec(line)?.[1] ?? []).toSorted();
}

interface Rig extends AsyncDisposable {
  readonly agent: Agent;
  /** Body of the readiness answer. */
  readonly ready: () => Promise<string>;
}

/** A proxy in shared mode, without control plane and CA, and the agent it connects to. */
async function startRig(): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-zds-'));
  const socket = join(folder, 'zds.sock');
  const agent = new Agent(socket);
  const readiness = await freePort();
  const environment = {
    NODE_NAME: 'n1',
    LOCAL_XDS: 'workloads: []',
    CA_ADDRESS: '',
    INPOD_UDS: socket,
    RUST_LOG: 'off',
    AMBIT_AGENT_GRACE: '100ms',
    AMBIT_DNS_LINGER: '100ms',
    AMBIT_ADMIN_ADDRESS: '127.0.0.1:0',
    AMBIT_STATS_ADDRESS: '127.0.0.1:0',
    AMBIT_READINESS_ADDRESS: `127.0.0.1:${readiness}`,
  };
  const stop = new AbortController();
  const { config } = loadConfig(ztunnelConfig, environment);
  const running = runZtunnel({ config, environment, stopping: stop.signal });
  return {
    agent,
    ready: async () => (await fetch(`http://127.0.0.1:${readiness}/healthz/ready`)).text(),
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error('the test is over'));
      await running;
      agent[Symbol.dispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

test('pods come and go as the node agent says, and stay while it is away', { skip }, async () => {
  using namespaces = new NetnsSet('xds');
  const [one, two_] = [namespaces.create('one'), namespaces.create('two')];
  await using rig = await startRig();
  const { agent, ready } = rig;
  await agent.accept();
  assert.equal(await agent.ask(add('u1'), one), ACK);
  assert.equal(await ready(), 'not ready, pending: workload proxy manager\n');
  assert.deepEqual(listeners(one), ['15001', '15006', '15008', '15053', '15053', '15053', '15053']);
  assert.equal(await agent.ask(SNAPSHOT), ACK);
  await eventually('ready after the snapshot', async () => (await ready()) === 'ready\n');

  assert.equal(await agent.ask(add('u1'), one), ACK, 'the same pod again');
  assert.equal(await agent.ask(add('u2'), two_), ACK);
  assert.equal(await agent.ask(del('u1')), ACK);
  await eventually('listeners of the removed pod close', () => listeners(one).length === 0);
  assert.equal(listeners(two_).length, 7);
  assert.equal(await agent.ask(del('unknown')), ACK);

  agent.hangUp();
  await eventually('unready without an agent', async () => (await ready()).includes('workload proxy manager'));
  assert.equal(listeners(two_).length, 7, 'pods go on without an agent');
  await agent.accept();
  assert.equal(await agent.ask(keep('u2')), ACK);
  assert.equal(await agent.ask(SNAPSHOT), ACK);
  await eventually('ready again', async () => (await ready()) === 'ready\n');
  assert.equal(listeners(two_).length, 7);
  assert.match(Buffer.from(await agent.ask(keep('u2')), 'hex').toString(), /keep after the snapshot/);
  await agent.accept();
  assert.equal(await agent.ask(SNAPSHOT), ACK);
  await eventually('a pod that no snapshot names is stopped', () => listeners(two_).length === 0);
});

test('a pod whose ports are taken is pending, said so, and served when they are free', { skip }, async () => {
  using namespaces = new NetnsSet('xds');
  const netns = namespaces.create('one');
  const netnsFd = io.openNetns(netns.path);
  const squatter = io.tcpListen({ netnsFd, address: '::', port: 15_008, dualStack: true });
  assert.ok(squatter >= 0);
  await using rig = await startRig();
  const { agent, ready } = rig;
  await agent.accept();
  const answer = Buffer.from(await agent.ask(add('u1'), netns), 'hex').toString();
  assert.match(answer, /failure to start proxy/);
  assert.equal(await agent.ask(SNAPSHOT), ACK);
  assert.deepEqual(listeners(netns), ['15008'], 'a pod is served wholly or not at all');
  assert.match(await ready(), /workload proxy manager/);
  io.close(squatter);
  await eventually('it is started by itself', async () => (await ready()) === 'ready\n');
  assert.equal(listeners(netns).length, 7);
  io.close(netnsFd);
});
