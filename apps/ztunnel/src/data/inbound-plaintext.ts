import { type Bridge, type BridgeResult, type BridgeSink, HboneError, TcpBridge } from '@ambit/hbone';
import { type Fd, io, parseIp, type SocketAddress } from '@ambit/net';
import type { Admitted, Denied, PolicyTarget } from '@ambit/policy';
import { addressText, guessInboundService, servicesOf, type Workload } from '@ambit/workload';
import type { ConnectionRecord as ConnectionDump } from '../worker-protocol.ts';
import type { AuthorizedConnection } from './authorized-connections.ts';
import { ConnectionRecord, type DenialCause } from './connection-record.ts';
import {
  closedByPolicyChange,
  connectFailure,
  type Failure,
  hboneFailure,
  selfCall,
  unknownWorkload,
} from './failure.ts';
import { type AdmissionListener, InboundAdmission } from './inbound-admission.ts';
import { localWorkload, LocalWorkloadWait } from './local-workload.ts';
import { type LiveConnection, type PodScope, podSocketPlace, type Traffic } from './pod-scope.ts';
import { sourceToKeep } from './source-address.ts';
import { type DialListener, dialApplication } from './tcp-dial.ts';

/**
 * A plaintext connection to the pod, caught on 15006: policy without an identity, then the application with the
 * client's address kept. Spec: contract data-plane 5.8.
 */
export class InboundPlaintext
  implements LiveConnection, AdmissionListener, AuthorizedConnection, DialListener, BridgeSink
{
  readonly direction = 'inbound';
  readonly #scope: PodScope;
  readonly #fd: Fd;
  readonly #source: SocketAddress;
  readonly #target: SocketAddress;
  readonly #startMs: number;
  #cancelWait: (() => void) | undefined;
  #isPending = true;
  #isOver = false;
  #authorization: { readonly permit: Admitted; readonly target: PolicyTarget } | undefined;
  #record: ConnectionRecord | undefined;
  #bridge: Bridge | undefined;
  #abortFailure: Failure | undefined;
  #denial: DenialCause | undefined;

  constructor(scope: PodScope, fd: Fd, source: SocketAddress, target: SocketAddress) {
    this.#scope = scope;
    this.#fd = fd;
    this.#source = source;
    this.#target = target;
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
    data.pending.enter();
    data.outlets.metrics.sockets('destination').inc();
    this.#scope.add(this);
    if (data.illegalPorts.has(this.#target.port)) {
      this.#deny(selfCall);
      return;
    }
    const wait = new LocalWorkloadWait(data, pod, (workload) => {
      this.#cancelWait = undefined;
      if (workload === undefined) this.#deny(unknownWorkload(pod));
      else this.#authorize(workload);
    });
    this.#cancelWait = () => wait.cancel();
    wait.start();
  }

  describe(): ConnectionDump | undefined {
    if (this.#authorization === undefined) return undefined;
    return {
      src: addressText(this.#source),
      originalDst: null,
      actualDst: addressText(this.#target),
      protocol: 'TCP',
    };
  }

  updateCounters(): void {
    if (this.#bridge === undefined) return;
    this.#record?.progress(this.#bridge.bytesToPeer, this.#bridge.bytesFromPeer);
  }

  traffic(): Traffic | undefined {
    return this.#bridge && { asked: this.#bridge.bytesToPeer, answered: this.#bridge.bytesFromPeer };
  }

  abort(failure: Failure): void {
    if (this.#isOver) return;
    this.#abortFailure = failure;
    if (this.#bridge === undefined) this.#fail(failure);
    else this.#bridge.abort(new HboneError('CLOSED', failure.text));
  }

  onForbidden(denied: Denied): void {
    const { reason, explanation } = denied;
    this.#denial = { policy: explanation.policy ?? '', reason, isLate: true };
    this.abort(closedByPolicyChange);
  }

  onAdmitted(permit: Admitted, target: PolicyTarget): void {
    this.#cancelWait = undefined;
    if (this.#isOver) return;
    const { data } = this.#scope;
    this.#authorization = { permit, target };
    data.authorized.add(this);
    const { address } = this.#target;
    const sourceAddress = sourceToKeep(this.#scope, this.#source.address, address);
    const options = {
      ...podSocketPlace(this.#scope),
      address,
      ...(sourceAddress === undefined ? {} : { sourceAddress }),
    };
    const dial = dialApplication(data.loop, permit, options, this);
    this.#cancelWait = () => dial.cancel();
  }

  onRefused(failure: Failure, cause: DenialCause): void {
    this.#denial = cause;
    this.#fail(failure);
  }

  onConnected(fd: Fd): void {
    this.#cancelWait = undefined;
    this.#leavePending();
    this.#bridge = new TcpBridge(this.#scope.data.loop, this.#fd, fd, this);
  }

  onDialFailed(errno: number): void {
    this.#cancelWait = undefined;
    this.#fail(connectFailure(errno));
  }

  onClose(result: BridgeResult): void {
    this.#record?.progress(result.bytesToPeer, result.bytesFromPeer);
    this.#finish(this.#abortFailure ?? (result.error && hboneFailure(result.error)));
  }

  #authorize(local: Workload): void {
    const { data, pod } = this.#scope;
    const services = servicesOf(data.store, local);
    const { port } = this.#target;
    this.#record = new ConnectionRecord(data.outlets, {
      reporter: 'destination',
      source: data.store.workloadByAddress(data.settings.network, this.#source.address),
      sourceBaggage: undefined,
      sourcePrincipal: undefined,
      destination: local,
      service: guessInboundService(data.store, services, local, port, undefined),
      isMutualTls: false,
      sourceAddress: this.#source,
      destinationAddress: this.#target,
      authority: undefined,
      startMs: this.#startMs,
    });
    const context = {
      sourceIp: parseIp(this.#source.address)?.bytes ?? noAddress,
      sourceIdentity: undefined,
      destinationIp: parseIp(this.#target.address)?.bytes ?? noAddress,
      destinationPort: port,
    };
    const target = (): Workload => localWorkload(data, pod) ?? local;
    const admission = new InboundAdmission(data, context, target, this);
    this.#cancelWait = () => admission.cancel();
    admission.start();
  }

  #admission(): { readonly permit: Admitted; readonly target: PolicyTarget } {
    if (this.#authorization === undefined) throw new RangeError('connection is not authorized yet');
    return this.#authorization;
  }

  #deny(reason: string): void {
    this.#scope.data.log.denied(this.#source, this.#target, 'inbound', reason);
    io.close(this.#fd);
    this.#finish(undefined);
  }

  #fail(failure: Failure): void {
    if (this.#isOver) return;
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    io.close(this.#fd);
    this.#finish(failure);
  }

  #finish(failure: Failure | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#leavePending();
    this.#scope.data.authorized.delete(this);
    this.#record?.close(failure, this.#denial);
    this.#scope.data.outlets.metrics.sockets('destination').dec();
    this.#scope.remove(this);
  }

  #leavePending(): void {
    if (!this.#isPending) return;
    this.#isPending = false;
    this.#scope.data.pending.leave();
  }
}

const noAddress: Uint8Array = new Uint8Array(0);
