/** Names in a pod that leaves the mesh: real sockets in a real namespace, a name server that answers when it is told to. */
import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { checked, io } from '@ambit/net';
import { ManualClock } from '@ambit/runtime';
import { type Netns, NetnsSet, netnsSkipReason } from '@ambit/testing';
import { WorkloadStore } from '@ambit/workload';
import * as dns from 'dns-packet';
import { DnsProxies } from './dns-proxies.ts';
import { openPodDns, type PodDnsSettings } from './pod-dns.ts';
import { PodProxies } from './pod-proxies.ts';

const LINGER_MS = 10_000;
const DNS_PORT = 15_053;
const info = { name: 'web', namespace: 'shop', serviceAccount: 'web' };
const settings: PodDnsSettings = {
  port: DNS_PORT,
  mark: undefined,
  // So that a listener that is still there would be in the way.
  reusePort: false,
  isIpv6Enabled: false,
  clusterDomain: 'cluster.local',
  preferredNamespace: undefined,
  servers: ['127.0.0.1'],
};

class Pod implements Disposable {
  readonly clock: ManualClock = new ManualClock();
  readonly netns: Netns;
  readonly proxies: PodProxies;
  readonly #namespaces: NetnsSet = new NetnsSet('dns');
  readonly #dns: DnsProxies;
  readonly #sockets: Socket[] = [];

  constructor() {
    this.netns = this.#namespaces.create('pod');
    const observer = { onRequest: (): void => {}, onUpstreamRequest: (): void => {}, onUpstreamDone: (): void => {} };
    const view = new WorkloadStore({});
    const onError = (error: Error): void => assert.fail(error);
    this.#dns = new DnsProxies({
      clock: this.clock,
      lingerMs: LINGER_MS,
      open: (_info, netnsFd) => openPodDns({ settings, netnsFd, view, client: () => undefined, observer, onError }),
    });
    this.proxies = new PodProxies({ workers: undefined, dns: this.#dns });
  }

  async enter(): Promise<void> {
    const netnsFd = io.openNetns(this.netns.path);
    await this.proxies.start('u1', info, netnsFd);
    // As the registry does when a pod leaves; here earlier, so that nothing lives from it.
    io.close(netnsFd);
  }

  leave(): void {
    this.proxies.stop('u1');
  }

  socket(port: number): Socket {
    const netnsFd = io.openNetns(this.netns.path);
    const fd = checked('udpBind', io.udpBind({ netnsFd, address: '127.0.0.1', port }));
    io.close(netnsFd);
    const socket = createSocket('udp4');
    this.#sockets.push(socket);
    return socket.bind({ fd, exclusive: true });
  }

  [Symbol.dispose](): void {
    this.proxies.stopAllDns();
    for (const socket of this.#sockets) socket.close();
    this.#namespaces[Symbol.dispose]();
  }
}

interface Received {
  readonly bytes: Buffer;
  readonly from: RemoteInfo;
}

async function next(socket: Socket): Promise<Received> {
  const [bytes, from]: unknown[] = await once(socket, 'message', { signal: AbortSignal.timeout(5_000) });
  assert.ok(Buffer.isBuffer(bytes) && typeof from === 'object' && from !== null && 'port' in from && 'address' in from);
  return { bytes, from: from as RemoteInfo };
}

function ask(client: Socket, id: number): void {
  // Names of this type are always asked upstream.
  const query = dns.encode({ type: 'query', id, flags: 256, questions: [{ type: 'TXT', name: 'example.test' }] });
  client.send(query, DNS_PORT, '127.0.0.1');
}

function answer(upstream: Socket, { bytes, from }: Received): void {
  const { id, questions } = dns.decode(bytes);
  upstream.send(dns.encode({ type: 'response', id: id ?? 0, questions: questions ?? [] }), from.port, from.address);
}

describe('names in a pod that leaves the mesh', { skip: netnsSkipReason() }, () => {
  test('an open query is answered, and so is one that comes a little later', async () => {
    using pod = new Pod();
    const [client, upstream] = [pod.socket(0), pod.socket(53)];
    await pod.enter();
    ask(client, 1);
    const open = await next(upstream);
    pod.leave();
    answer(upstream, open);
    assert.equal(dns.decode((await next(client)).bytes).id, 1);

    pod.clock.advance(LINGER_MS - 1);
    ask(client, 2);
    answer(upstream, await next(upstream));
    assert.equal(dns.decode((await next(client)).bytes).id, 2);

    pod.clock.advance(1);
    assert.equal(pod.netns.run('ss', '-Hlnu', 'sport', '=', `:${DNS_PORT}`), '', 'it does not listen for ever');
  });

  test('a pod that comes back is served as if it had not left', async () => {
    using pod = new Pod();
    const [client, upstream] = [pod.socket(0), pod.socket(53)];
    await pod.enter();
    ask(client, 1);
    const open = await next(upstream);
    pod.leave();
    await pod.enter();
    pod.clock.advance(LINGER_MS);
    answer(upstream, open);
    assert.equal(dns.decode((await next(client)).bytes).id, 1);
  });

  test('a pod that comes back as somebody else gets a proxy of its own', async () => {
    using pod = new Pod();
    await pod.enter();
    pod.leave();
    const netnsFd = io.openNetns(pod.netns.path);
    await pod.proxies.start('u1', { ...info, serviceAccount: 'other' }, netnsFd);
    io.close(netnsFd);
    pod.clock.advance(LINGER_MS);
    assert.notEqual(pod.netns.run('ss', '-Hlnu', 'sport', '=', `:${DNS_PORT}`), '');
  });
});
