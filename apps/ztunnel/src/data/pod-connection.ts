import { type Bridge, type BridgeResult, type BridgeSink, HboneError } from '@ambit/hbone';
import type { Workload } from '@ambit/workload';
import type { ConnectionRecord as ConnectionDump } from '../worker-protocol.ts';
import type { ConnectionRecord, DenialCause } from './connection-record.ts';
import { connectFailure, type Failure, hboneFailure } from './failure.ts';
import { LocalWorkloadWait } from './local-workload.ts';
import type { LiveConnection, PodScope, Traffic } from './pod-scope.ts';

/** What a bridge has copied. */
export type CopiedBytes = Pick<BridgeResult, 'bytesToPeer' | 'bytesFromPeer'>;

/**
 * What all connections of a pod have in common, from their acceptance to their record: one thing at a time is waited for, then a
 * bridge copies, and whatever ends it, everything is left once. How a connection is decided and made, a subclass says.
 */
export abstract class PodConnection implements LiveConnection, BridgeSink {
  abstract readonly direction: 'inbound' | 'outbound';
  protected readonly scope: PodScope;
  protected readonly startMs: number;
  /** Ends what is being waited for. */
  protected cancelWait: (() => void) | undefined;
  protected record: ConnectionRecord | undefined;
  protected bridge: Bridge | undefined;
  /** Why policy ended it. */
  protected denial: DenialCause | undefined;
  #isPending = true;
  #isOver = false;
  #abortFailure: Failure | undefined;

  /** Nothing happens before `start`. */
  constructor(scope: PodScope) {
    this.scope = scope;
    this.startMs = scope.data.loop.nowMs;
  }

  abstract describe(): ConnectionDump | undefined;
  /** Tells who opened it that nothing comes of it: 401 by policy, 503 for everything else. */
  protected abstract refuse(status: 401 | 503): void;

  updateCounters(): void {
    if (this.bridge !== undefined) this.#count(this.bridge);
  }

  traffic(): Traffic | undefined {
    return this.bridge && this.trafficOf(this.bridge);
  }

  abort(failure: Failure): void {
    if (this.#isOver) return;
    this.#abortFailure = failure;
    if (this.bridge === undefined) this.fail(failure);
    else this.bridge.abort(new HboneError('CLOSED', failure.text));
  }

  onDialFailed(errno: number): void {
    this.cancelWait = undefined;
    this.fail(connectFailure(errno));
  }

  onClose(result: BridgeResult): void {
    this.#count(result);
    this.finish(result.error && hboneFailure(result.error));
  }

  /** Bytes of a bridge by who sent them: its socket is that of who opened the connection, unless a subclass says otherwise. */
  protected trafficOf({ bytesToPeer, bytesFromPeer }: CopiedBytes): Traffic {
    return { asked: bytesToPeer, answered: bytesFromPeer };
  }

  protected get isOver(): boolean {
    return this.#isOver;
  }

  /** It counts from now on. */
  protected enter(): void {
    this.scope.data.pending.enter();
    this.scope.add(this);
  }

  /** Calls with the pod's own workload when it is known, at most; undefined: it does not come. */
  protected waitForWorkload(onKnown: (workload: Workload | undefined) => void): void {
    const wait = new LocalWorkloadWait(this.scope.data, this.scope.pod, (workload) => {
      this.cancelWait = undefined;
      onKnown(workload);
    });
    this.cancelWait = () => wait.cancel();
    wait.start();
  }

  /** The other side has accepted. */
  protected leavePending(): void {
    if (!this.#isPending) return;
    this.#isPending = false;
    this.scope.data.pending.leave();
  }

  protected stopWaiting(): void {
    this.cancelWait?.();
    this.cancelWait = undefined;
  }

  /** Ends it before bytes flowed. */
  protected fail(failure: Failure, status: 401 | 503 = 503): void {
    if (this.#isOver) return;
    this.stopWaiting();
    this.refuse(status);
    this.finish(failure);
  }

  /** An abort's reason comes before the failure that it led to. */
  protected finish(failure: Failure | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.leavePending();
    this.leave();
    this.record?.close(this.#abortFailure ?? failure, this.denial);
    this.scope.remove(this);
  }

  /** What a subclass has entered. Once. */
  protected leave(): void {
    // Nothing of its own.
  }

  #count(bytes: CopiedBytes): void {
    const { asked, answered } = this.trafficOf(bytes);
    this.record?.progress(asked, answered);
  }
}
