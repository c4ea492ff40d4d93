import type { InboundStream } from '@ambit/hbone';
import { encodeProxyHeader, type Fd, proxyPeerIdentityTlv } from '@ambit/net';
import type { Admitted, PeerIdentity } from '@ambit/policy';
import {
  addressText,
  type Authority,
  forwardedHost,
  guessInboundService,
  type InboundPlan,
  parseAuthority,
  planInbound,
  type Workload,
} from '@ambit/workload';
import type { ConnectionRecord as ConnectionDump } from '../worker-protocol.ts';
import { formatBaggage, parseBaggage } from './baggage.ts';
import { ConnectionRecord } from './connection-record.ts';
import { otherFailure, unknownWorkload } from './failure.ts';
import { InboundConnection } from './inbound-connection.ts';
import { loopbackLike } from './loopback.ts';
import type { CopiedBytes } from './pod-connection.ts';
import type { PodScope, Traffic } from './pod-scope.ts';
import { sourceToKeep } from './source-address.ts';

type Upstream = Extract<InboundPlan, { kind: 'upstream' }>;

/**
 * One CONNECT request: checked, authorized, connected, answered and copied, in the order of the contract. The answer is
 * 200 only when the application has accepted. Spec: contract data-plane 1.6.
 */
export class InboundRequest extends InboundConnection {
  readonly #stream: InboundStream;
  readonly #peer: PeerIdentity | undefined;
  #upstream: Upstream | undefined;
  #local: Workload | undefined;

  /** `peer` is the first identity of the client's certificate. */
  constructor(scope: PodScope, stream: InboundStream, peer: PeerIdentity | undefined) {
    super(scope);
    this.#stream = stream;
    this.#peer = peer;
  }

  start(): void {
    const { data, pod } = this.scope;
    const { method } = this.#stream;
    const isCrowded = data.pending.isFull;
    this.enter();
    this.#stream.onCancelled = () => this.#onCancelled();
    if (isCrowded) {
      this.#deny(503, 'too many connections wait for their applications');
      return;
    }
    if (method !== 'CONNECT') {
      this.#deny(400, `expected method CONNECT, got ${method}`);
      return;
    }
    const authority = parseAuthority(this.#stream.authority);
    if (authority === undefined) {
      this.#deny(400, `no valid authority pseudo header: ${this.#stream.authority}`);
      return;
    }
    this.waitForWorkload((workload) => {
      if (workload === undefined) this.#deny(503, unknownWorkload(pod));
      else this.#plan(workload, authority);
    });
  }

  override describe(): ConnectionDump | undefined {
    if (this.#upstream === undefined) return undefined;
    return {
      src: addressText(this.#stream.connection.remoteAddress),
      originalDst: this.#stream.authority,
      actualDst: addressText(this.#upstream.target),
      protocol: 'HBONE',
    };
  }

  override onConnected(fd: Fd): void {
    this.cancelWait = undefined;
    this.leavePending();
    const local = this.#local;
    const hasBaggage = this.scope.data.settings.isBaggageEnabled && local !== undefined;
    this.#stream.respond(200, hasBaggage ? [['baggage', formatBaggage(local)]] : []);
    const prelude = this.#proxyHeader();
    this.bridge = this.#stream.bridge(fd, this, prelude === undefined ? {} : { prelude });
  }

  protected override trafficOf(bytes: CopiedBytes): Traffic {
    return { asked: bytes.bytesFromPeer, answered: bytes.bytesToPeer };
  }

  protected override connect(permit: Admitted): void {
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    // An application that takes PROXY headers should listen on loopback only.
    const isLocal = upstream.tunnel?.protocol === 'proxy' && this.scope.data.settings.isLocalhostAppTunnelEnabled;
    const address = isLocal ? loopbackLike(upstream.target.address) : upstream.target.address;
    const client = this.#stream.connection.remoteAddress.address;
    this.dial(permit, address, isLocal ? address : sourceToKeep(this.scope, client, address));
  }

  protected override refuse(status: 401 | 503): void {
    this.#answer(status);
  }

  #plan(local: Workload, authority: Authority): void {
    const { data } = this.scope;
    const plan = planInbound({
      view: data.store,
      network: data.settings.network,
      local,
      localAddress: this.#stream.connection.localAddress.address,
      authority,
      illegalPorts: data.illegalPorts,
    });
    if (plan.kind === 'rejected') {
      this.#deny(plan.status, plan.reason);
      return;
    }
    this.#local = local;
    this.#upstream = plan;
    this.#open(local, plan);
    this.authorize(local, {
      sourceAddress: this.#stream.connection.remoteAddress.address,
      sourceIdentity: this.#peer,
      destinationAddress: plan.target.address,
      destinationPort: plan.target.port,
    });
  }

  #open(local: Workload, { target, services }: Upstream): void {
    const { data } = this.scope;
    const { settings, store } = data;
    const { remoteAddress, localAddress } = this.#stream.connection;
    const forwarded = this.#stream.header('forwarded');
    const host = forwarded === undefined ? undefined : forwardedHost(forwarded);
    const network = this.#stream.header('x-forwarded-network') ?? settings.network;
    const isOwnNetwork = network.toLowerCase() === settings.network.toLowerCase();
    // Addresses of another network may be those of somebody else in this one.
    const source = isOwnNetwork ? store.workloadByAddress(settings.network, remoteAddress.address) : undefined;
    const readsBaggage = source === undefined && settings.isBaggageEnabled;
    this.record = new ConnectionRecord(data.outlets, {
      reporter: 'destination',
      source,
      sourceBaggage: readsBaggage ? parseBaggage(this.#stream.header('baggage')) : undefined,
      sourcePrincipal: this.#peer && `spiffe://${this.#peer.principal}`,
      destination: local,
      service: guessInboundService(store, services, local, target.port, host),
      isMutualTls: true,
      sourceAddress: remoteAddress,
      destinationAddress: localAddress,
      authority: this.#stream.authority,
      startMs: this.startMs,
    });
  }

  #proxyHeader(): Uint8Array | undefined {
    const tunnel = this.#upstream?.tunnel;
    if (tunnel?.protocol !== 'proxy') return undefined;
    const identity = this.#peer && Buffer.from(`spiffe://${this.#peer.principal}`, 'latin1');
    return encodeProxyHeader({
      source: this.#stream.connection.remoteAddress,
      destination: tunnel.target,
      tlvs: identity === undefined ? [] : [{ type: proxyPeerIdentityTlv, value: identity }],
    });
  }

  #onCancelled(): void {
    this.stopWaiting();
    this.finish(otherFailure('client disconnected before the connection was made'));
  }

  /** An answer without metrics: not enough is known to count it. */
  #deny(status: 400 | 503, reason: string): void {
    const { remoteAddress, localAddress } = this.#stream.connection;
    this.scope.data.log.denied(remoteAddress, localAddress, 'inbound', reason);
    this.#answer(status);
    this.finish(undefined);
  }

  #answer(status: number): void {
    this.#stream.onCancelled = undefined;
    if (this.#stream.isAlive) this.#stream.respond(status);
  }
}
