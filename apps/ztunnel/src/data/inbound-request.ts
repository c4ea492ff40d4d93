import { type Bridge, type BridgeResult, type BridgeSink, HboneError, type InboundStream } from '@ambit/hbone';
import { encodeProxyHeader, type Fd, parseIp, proxyPeerIdentityTlv } from '@ambit/net';
import type { Admitted, Denied, PeerIdentity, PolicyTarget } from '@ambit/policy';
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
import type { AuthorizedConnection } from './authorized-connections.ts';
import { formatBaggage, parseBaggage } from './baggage.ts';
import { ConnectionRecord, type DenialCause } from './connection-record.ts';
import {
  closedByPolicyChange,
  connectFailure,
  type Failure,
  hboneFailure,
  otherFailure,
  unknownWorkload,
} from './failure.ts';
import { type AdmissionListener, InboundAdmission } from './inbound-admission.ts';
import { localWorkload, LocalWorkloadWait } from './local-workload.ts';
import { loopbackLike } from './loopback.ts';
import { type LiveConnection, type PodScope, podSocketPlace, type Traffic } from './pod-scope.ts';
import { sourceToKeep } from './source-address.ts';
import { type DialListener, dialApplication } from './tcp-dial.ts';

type Upstream = Extract<InboundPlan, { kind: 'upstream' }>;

/**
 * One CONNECT request: checked, authorized, connected, answered and copied, in the order of the contract. The answer is
 * 200 only when the application has accepted. Spec: contract data-plane 1.6.
 */
export class InboundRequest
  implements LiveConnection, AdmissionListener, AuthorizedConnection, DialListener, BridgeSink
{
  readonly direction = 'inbound';
  readonly #scope: PodScope;
  readonly #stream: InboundStream;
  readonly #peer: PeerIdentity | undefined;
  readonly #startMs: number;
  #cancelWait: (() => void) | undefined;
  #isPending = true;
  #isOver = false;
  #upstream: Upstream | undefined;
  #local: Workload | undefined;
  #authorization: { readonly permit: Admitted; readonly target: PolicyTarget } | undefined;
  #record: ConnectionRecord | undefined;
  #bridge: Bridge | undefined;
  #abortFailure: Failure | undefined;
  #denial: DenialCause | undefined;

  /** `peer` is the first identity of the client's certificate. */
  constructor(scope: PodScope, stream: InboundStream, peer: PeerIdentity | undefined) {
    this.#scope = scope;
    this.#stream = stream;
    this.#peer = peer;
    this.#startMs = scope.data.loop.nowMs;
  }

  get permit(): Admitted {
    return this.#admission().permit;
  }

  get policyTarget(): PolicyTarget {
    return localWorkload(this.#scope.data, this.#scope.pod) ?? this.#admission().target;
  }

  start(): void {
    const { data, pod } = this.#scope;
    const { method } = this.#stream;
    const isCrowded = data.pending.isFull;
    data.pending.enter();
    this.#scope.add(this);
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
    const wait = new LocalWorkloadWait(data, pod, (workload) => {
      this.#cancelWait = undefined;
      if (workload === undefined) this.#deny(503, unknownWorkload(pod));
      else this.#plan(workload, authority);
    });
    this.#cancelWait = () => wait.cancel();
    wait.start();
  }

  describe(): ConnectionDump | undefined {
    if (this.#upstream === undefined) return undefined;
    return {
      src: addressText(this.#stream.connection.remoteAddress),
      originalDst: this.#stream.authority,
      actualDst: addressText(this.#upstream.target),
      protocol: 'HBONE',
    };
  }

  updateCounters(): void {
    if (this.#bridge === undefined) return;
    this.#record?.progress(this.#bridge.bytesFromPeer, this.#bridge.bytesToPeer);
  }

  traffic(): Traffic | undefined {
    return this.#bridge && { asked: this.#bridge.bytesFromPeer, answered: this.#bridge.bytesToPeer };
  }

  abort(failure: Failure): void {
    if (this.#isOver) return;
    this.#abortFailure = failure;
    if (this.#bridge !== undefined) this.#bridge.abort(new HboneError('CLOSED', failure.text));
    else this.#fail(503, failure);
  }

  onForbidden(denied: Denied): void {
    const { reason, explanation } = denied;
    this.#denial = { policy: explanation.policy ?? '', reason, isLate: true };
    if (this.#bridge === undefined) this.#fail(401, closedByPolicyChange);
    else this.abort(closedByPolicyChange);
  }

  onAdmitted(permit: Admitted, target: PolicyTarget): void {
    this.#cancelWait = undefined;
    const upstream = this.#upstream;
    if (this.#isOver || upstream === undefined) return;
    const { data } = this.#scope;
    this.#authorization = { permit, target };
    data.authorized.add(this);
    // An application that takes PROXY headers should listen on loopback only.
    const isLocal = upstream.tunnel?.protocol === 'proxy' && data.settings.isLocalhostAppTunnelEnabled;
    const address = isLocal ? loopbackLike(upstream.target.address) : upstream.target.address;
    const client = this.#stream.connection.remoteAddress.address;
    const sourceAddress = isLocal ? address : sourceToKeep(this.#scope, client, address);
    const options = {
      ...podSocketPlace(this.#scope),
      address,
      ...(sourceAddress === undefined ? {} : { sourceAddress }),
    };
    const dial = dialApplication(data.loop, permit, options, this);
    this.#cancelWait = () => dial.cancel();
  }

  onRefused(failure: Failure, cause: DenialCause): void {
    this.#cancelWait = undefined;
    this.#denial = cause;
    this.#fail(401, failure);
  }

  onConnected(fd: Fd): void {
    this.#cancelWait = undefined;
    this.#leavePending();
    const local = this.#local;
    const hasBaggage = this.#scope.data.settings.isBaggageEnabled && local !== undefined;
    this.#stream.respond(200, hasBaggage ? [['baggage', formatBaggage(local)]] : []);
    const prelude = this.#proxyHeader();
    this.#bridge = this.#stream.bridge(fd, this, prelude === undefined ? {} : { prelude });
  }

  onDialFailed(errno: number): void {
    this.#cancelWait = undefined;
    this.#fail(503, connectFailure(errno));
  }

  onClose(result: BridgeResult): void {
    this.#record?.progress(result.bytesFromPeer, result.bytesToPeer);
    this.#finish(this.#abortFailure ?? (result.error && hboneFailure(result.error)));
  }

  #plan(local: Workload, authority: Authority): void {
    const { data } = this.#scope;
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
    this.#authorize(local, plan);
  }

  #open(local: Workload, { target, services }: Upstream): void {
    const { data } = this.#scope;
    const { settings, store } = data;
    const { remoteAddress, localAddress } = this.#stream.connection;
    const forwarded = this.#stream.header('forwarded');
    const host = forwarded === undefined ? undefined : forwardedHost(forwarded);
    const network = this.#stream.header('x-forwarded-network') ?? settings.network;
    const isOwnNetwork = network.toLowerCase() === settings.network.toLowerCase();
    // Addresses of another network may be those of somebody else in this one.
    const source = isOwnNetwork ? store.workloadByAddress(settings.network, remoteAddress.address) : undefined;
    const readsBaggage = source === undefined && settings.isBaggageEnabled;
    this.#record = new ConnectionRecord(data.outlets, {
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
      startMs: this.#startMs,
    });
  }

  #authorize(local: Workload, { target }: Upstream): void {
    const { data, pod } = this.#scope;
    const context = {
      sourceIp: parseIp(this.#stream.connection.remoteAddress.address)?.bytes ?? noAddress,
      sourceIdentity: this.#peer,
      destinationIp: parseIp(target.address)?.bytes ?? noAddress,
      destinationPort: target.port,
    };
    const current = (): Workload => localWorkload(data, pod) ?? local;
    const admission = new InboundAdmission(data, context, current, this);
    this.#cancelWait = () => admission.cancel();
    admission.start();
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

  #admission(): { readonly permit: Admitted; readonly target: PolicyTarget } {
    if (this.#authorization === undefined) throw new RangeError('connection is not authorized yet');
    return this.#authorization;
  }

  #onCancelled(): void {
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    this.#finish(this.#abortFailure ?? otherFailure('client disconnected before the connection was made'));
  }

  /** An answer without metrics: not enough is known to count it. */
  #deny(status: 400 | 503, reason: string): void {
    const { remoteAddress, localAddress } = this.#stream.connection;
    this.#scope.data.log.denied(remoteAddress, localAddress, 'inbound', reason);
    this.#answer(status);
    this.#finish(undefined);
  }

  #fail(status: 401 | 503, failure: Failure): void {
    if (this.#isOver) return;
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    this.#answer(status);
    this.#finish(failure);
  }

  #answer(status: number): void {
    this.#stream.onCancelled = undefined;
    if (this.#stream.isAlive) this.#stream.respond(status);
  }

  #finish(failure: Failure | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#leavePending();
    this.#scope.data.authorized.delete(this);
    this.#record?.close(failure, this.#denial);
    this.#scope.remove(this);
  }

  #leavePending(): void {
    if (!this.#isPending) return;
    this.#isPending = false;
    this.#scope.data.pending.leave();
  }
}

const noAddress: Uint8Array = new Uint8Array(0);
