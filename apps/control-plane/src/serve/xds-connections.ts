import type { Clock } from '@ambit/runtime';
import type { DeltaServerObserver, XdsNode } from '@ambit/xds';
import type { ControlPlaneMetrics } from './control-plane-metrics.ts';

/** What one client was sent of one type, and what it thinks of it. */
export interface TypeStatus {
  readonly pushes: number;
  /** Resources and removals of the last response. */
  readonly lastResources: number;
  readonly lastRemoved: number;
  readonly lastBytes: number;
  readonly lastPushWallTimeMs: number;
  readonly rejections: number;
  /** Message of the last NACK; undefined when a later response was not rejected. */
  readonly rejected: string | undefined;
}

/** One open stream, as `/debug/syncz` shows it. */
export interface ConnectionStatus {
  readonly node: string;
  readonly nodeName: string;
  readonly connectedWallTimeMs: number;
  readonly types: Readonly<Record<string, TypeStatus>>;
}

interface Connection {
  readonly connectedWallTimeMs: number;
  readonly types: Map<string, TypeStatus>;
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

  list(): readonly ConnectionStatus[] {
    return [...this.#connections].map(([node, connection]) => ({
      node: node.id,
      nodeName: node.nodeName,
      connectedWallTimeMs: connection.connectedWallTimeMs,
      types: Object.fromEntries(connection.types),
    }));
  }

  onStreamOpened(node: XdsNode): void {
    this.#connections.set(node, { connectedWallTimeMs: this.#clock.wallTimeMs(), types: new Map() });
  }

  onStreamClosed(node: XdsNode): void {
    this.#connections.delete(node);
  }

  onPush(node: XdsNode, typeUrl: string, resources: number, removed: number, bytes: number): void {
    this.#metrics.pushed(typeUrl, bytes);
    const types = this.#connections.get(node)?.types;
    const before = types?.get(typeUrl);
    types?.set(typeUrl, {
      pushes: (before?.pushes ?? 0) + 1,
      lastResources: resources,
      lastRemoved: removed,
      lastBytes: bytes,
      lastPushWallTimeMs: this.#clock.wallTimeMs(),
      rejections: before?.rejections ?? 0,
      rejected: undefined,
    });
  }

  onNack(node: XdsNode, typeUrl: string, _nonce: string, message: string): void {
    this.#metrics.rejected(typeUrl);
    // The peer chose this text: bounded, and shown as text only.
    const rejected = message.slice(0, 1024);
    const types = this.#connections.get(node)?.types;
    const before = types?.get(typeUrl);
    if (types !== undefined && before !== undefined) {
      types.set(typeUrl, { ...before, rejections: before.rejections + 1, rejected });
    }
    this.#onRejected(node, typeUrl, rejected);
  }
}
