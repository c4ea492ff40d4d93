import type { Clock } from '@ambit/runtime';
import type { DeltaServerObserver, EncodedResponse, XdsNode } from '@ambit/xds';
import type { ControlPlaneMetrics } from './control-plane-metrics.ts';

/** What one client was sent of one type, and what it thinks of it. */
export interface TypeStatus {
  readonly pushes: number;
  /** Resources and removals of the last response. */
  readonly lastResources: number;
  readonly lastRemoved: number;
  readonly lastBytes: number;
  readonly lastPushWallTimeMs: number;
  /** Nonces of the last response and of the last one accepted; equal when the client is in step. */
  readonly nonceSent: string;
  readonly nonceAcked: string;
  readonly rejections: number;
  /** Message of the last NACK; undefined when a later response was not rejected. */
  readonly rejected: string | undefined;
}

/** One open stream, as `/debug/adsz` shows it. */
export interface ConnectionStatus {
  readonly node: string;
  readonly kind: XdsNode['kind'];
  readonly nodeName: string;
  readonly connectedWallTimeMs: number;
  readonly types: Readonly<Record<string, TypeStatus>>;
}

/** One open stream with what its client says of itself. */
export interface XdsClient {
  readonly node: XdsNode;
  readonly types: ReadonlyMap<string, TypeStatus>;
}

/** Changed in place: there is a push to each of thousands of streams many times a second. */
type LiveStatus = { -readonly [K in keyof TypeStatus]: TypeStatus[K] };

interface Connection {
  readonly connectedWallTimeMs: number;
  readonly types: Map<string, LiveStatus>;
}

/** Table of open streams with their ACK and NACK state; the observer of the delta server. */
export class XdsConnections implements DeltaServerObserver {
  readonly #connections = new Map<XdsNode, Connection>();
  readonly #clock: Clock;
  readonly #metrics: ControlPlaneMetrics;
  readonly #onRejected: (node: XdsNode, typeUrl: string, message: string) => void;

  constructor(
    clock: Clock,
    metrics: ControlPlaneMetrics,
    onRejected: (node: XdsNode, typeUrl: string, message: string) => void,
  ) {
    this.#clock = clock;
    this.#metrics = metrics;
    this.#onRejected = onRejected;
    metrics.observeConnections(() => this.#connections.size);
  }

  /** In order of connecting. */
  list(): readonly ConnectionStatus[] {
    return [...this.#connections].map(([node, { connectedWallTimeMs, types }]) => ({
      node: node.id,
      kind: node.kind,
      nodeName: node.nodeName,
      connectedWallTimeMs,
      types: Object.fromEntries(types),
    }));
  }

  /** As `list`, of the moment: do not keep it. */
  clients(): readonly XdsClient[] {
    return [...this.#connections].map(([node, { types }]) => ({ node, types }));
  }

  onStreamOpened(node: XdsNode): void {
    this.#connections.set(node, { connectedWallTimeMs: this.#clock.wallTimeMs(), types: new Map() });
  }

  onStreamClosed(node: XdsNode): void {
    this.#connections.delete(node);
  }

  onPush(node: XdsNode, { typeUrl, frame, nonce, resources, removed }: EncodedResponse): void {
    this.#metrics.pushed(typeUrl, frame.length);
    const status = this.#statusOf(node, typeUrl);
    if (status === undefined) return;
    status.pushes += 1;
    status.lastResources = resources;
    status.lastRemoved = removed;
    status.lastBytes = frame.length;
    status.lastPushWallTimeMs = this.#clock.wallTimeMs();
    status.nonceSent = nonce;
    status.rejected = undefined;
  }

  onAck(node: XdsNode, typeUrl: string, nonce: string): void {
    const status = this.#connections.get(node)?.types.get(typeUrl);
    if (status !== undefined) status.nonceAcked = nonce;
  }

  onNack(node: XdsNode, typeUrl: string, _nonce: string, message: string): void {
    this.#metrics.rejected(typeUrl);
    // The peer chose this text: bounded, and shown as text only.
    const rejected = message.slice(0, 1024);
    const status = this.#connections.get(node)?.types.get(typeUrl);
    // Who was sent nothing has nothing to refuse.
    if (status === undefined || status.lastResources === 0) return;
    status.rejections += 1;
    status.rejected = rejected;
    this.#onRejected(node, typeUrl, rejected);
  }

  onStale(): void {
    this.#metrics.expiredNonce();
  }

  onWriteTimeout(): void {
    this.#metrics.writeTimedOut();
  }

  onRound(waitedMs: number, tookMs: number): void {
    this.#metrics.pushedRound(waitedMs, tookMs);
  }

  #statusOf(node: XdsNode, typeUrl: string): LiveStatus | undefined {
    const types = this.#connections.get(node)?.types;
    const known = types?.get(typeUrl);
    if (types === undefined || known !== undefined) return known;
    const status: LiveStatus = {
      pushes: 0,
      lastResources: 0,
      lastRemoved: 0,
      lastBytes: 0,
      lastPushWallTimeMs: 0,
      nonceSent: '',
      nonceAcked: '',
      rejections: 0,
      rejected: undefined,
    };
    types.set(typeUrl, status);
    return status;
  }
}
