import { EAGAIN, EPOLLIN, type Fd, io, type IoHandler, type SocketAddress, type TimerId } from '@ambit/net';
import { resolveName } from '@ambit/workload';
import type { Failure } from './failure.ts';
import { localWorkload } from './local-workload.ts';
import { OutboundConnection } from './outbound-connection.ts';
import type { LiveConnection, PodScope } from './pod-scope.ts';
import { Socks5Handshake, socks5Replies, socks5Reply, type Socks5Step } from './socks5-handshake.ts';

const handshakeTimeoutMs = 10_000;

/**
 * A SOCKS5 client on 15080: the handshake, then an outbound connection as if it had been captured. The success reply goes
 * out before dialling, as Istio's ztunnel does. Spec: contract data-plane 5.10.
 */
export class Socks5Connection implements IoHandler, LiveConnection {
  readonly direction = 'outbound';
  readonly #scope: PodScope;
  readonly #fd: Fd;
  readonly #source: SocketAddress;
  readonly #handshake = new Socks5Handshake();
  readonly #buffer = new Uint8Array(512);
  #timer: TimerId | undefined;
  #isOver = false;

  constructor(scope: PodScope, fd: Fd, source: SocketAddress) {
    this.#scope = scope;
    this.#fd = fd;
    this.#source = source;
  }

  start(): void {
    const { loop, pending } = this.#scope.data;
    pending.enter();
    this.#scope.add(this);
    this.#timer = loop.setTimer(handshakeTimeoutMs, { onTimer: () => this.#refuse(socks5Replies.general) });
    loop.add(this.#fd, EPOLLIN, this);
  }

  describe(): undefined {
    return undefined;
  }

  updateCounters(): void {
    // No bytes of a user flow yet.
  }

  traffic(): undefined {
    return undefined;
  }

  abort(_failure: Failure): void {
    this.#refuse(socks5Replies.general);
  }

  onEvents(): void {
    if (this.#isOver) return;
    const count = io.read(this.#fd, this.#buffer, 0, this.#buffer.length);
    if (count === -EAGAIN) return;
    if (count <= 0) this.#end(true);
    else this.#take(this.#handshake.push(this.#buffer.subarray(0, count)));
  }

  #take(step: Socks5Step): void {
    switch (step.kind) {
      case 'more':
        return;
      case 'reply':
        this.#send(step.bytes);
        // The request may have come together with the greeting.
        this.#take(this.#handshake.push(new Uint8Array(0)));
        return;
      case 'refuse':
        this.#send(step.bytes);
        this.#end(true);
        return;
      case 'connect':
        // A client that speaks before the reply breaks the protocol.
        if (step.rest.length > 0) this.#refuse(socks5Replies.violation);
        else if (step.host.kind === 'address') this.#connect(step.host.text, step.port);
        else this.#resolve(step.host.text, step.port);
    }
  }

  #resolve(name: string, port: number): void {
    const { data, pod } = this.#scope;
    const client = localWorkload(data, pod);
    if (client === undefined) {
      this.#refuse(socks5Replies.general);
      return;
    }
    const isV4 = !this.#source.address.includes(':');
    const answer = resolveName({
      view: data.store,
      client,
      name,
      type: isV4 ? 'A' : 'AAAA',
      clusterDomain: data.settings.clusterDomain,
      isIpv6Enabled: data.settings.isIpv6Enabled,
      preferredNamespace: data.settings.preferredServiceNamespace,
      random: () => data.random(),
    });
    if (answer.kind === 'answer') this.#connectTo(answer.addresses, port);
    else data.hosts.resolve(name, (addresses) => this.#connectTo(addresses, port));
  }

  #connectTo(addresses: readonly string[], port: number): void {
    if (this.#isOver) return;
    const isV6 = this.#source.address.includes(':');
    const address = addresses.find((each) => each.includes(':') === isV6) ?? addresses[0];
    if (address === undefined) this.#refuse(socks5Replies.unresolvable);
    else this.#connect(address, port);
  }

  #connect(address: string, port: number): void {
    this.#send(socks5Reply(socks5Replies.success));
    this.#end(false);
    new OutboundConnection(this.#scope, this.#fd, this.#source, { address, port }).start();
  }

  #refuse(code: number): void {
    if (this.#isOver) return;
    this.#send(socks5Reply(code));
    this.#end(true);
  }

  #send(bytes: Uint8Array): void {
    // A few bytes into an empty socket: what does not fit now never will.
    io.write(this.#fd, bytes, 0, bytes.length);
  }

  #end(closes: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { loop, pending } = this.#scope.data;
    if (this.#timer !== undefined) loop.clearTimer(this.#timer);
    loop.remove(this.#fd);
    if (closes) io.close(this.#fd);
    pending.leave();
    this.#scope.remove(this);
  }
}
