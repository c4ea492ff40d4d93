import {
  type ByteChannel,
  ChannelBridge,
  type ChannelBridgeResult,
  type EventLoop,
  parseSocketAddress,
} from '@ambit/net';
import type { RequestAdmitted } from '@ambit/policy';

import type { BackendTarget } from '../../config/backend-target.ts';
import type { ConfigSnapshot } from '../../config/config-snapshot.ts';
import type { CompiledTcpRoute } from '../../config/tcp-route.ts';
import { decideTcp } from '../../request/decide-tcp.ts';
import type { DownstreamFacts } from '../../request/downstream-facts.ts';
import type { ConnectFailure, UpstreamChoiceFacts } from '../../request/upstream.ts';
import type { LiveConnection, LiveConnections } from '../live-connection.ts';
import { TcpRecord } from '../tcp-record.ts';
import type { ConnectionRequest, EndpointTurn } from '../upstream/cluster.ts';
import type { ChannelDial, ChannelReceiver } from '../upstream/endpoint-channel.ts';
import type { MeshUpstreams } from '../upstream/mesh-upstreams.ts';

/** Who counts and logs connections that are not HTTP. */
export interface TcpObserver {
  onTcpStart(record: TcpRecord): void;
  /** Now and then while it runs: the record's bytes are up to date. */
  onTcpProgress(record: TcpRecord): void;
  /** How often it wants to be told of progress. */
  tcpReportMs(record: TcpRecord): number;
  onTcpEnd(record: TcpRecord): void;
}

export interface TcpSurroundings {
  readonly loop: EventLoop;
  readonly upstreams: MeshUpstreams;
  readonly live: LiveConnections;
  readonly tcpObserver: TcpObserver;
  wallTimeMs(): number;
}

/** How long the look-up of a name may take, and how often it is asked for. */
const longestLookUpMs = 3000;
const lookUpPollMs = 20;

/**
 * A connection that is not read as HTTP: policy, route, endpoint, bytes. Owns the client's channel, which is not attached yet.
 * Spec: contract l7 5.1, waypoint TCP.
 */
export class TcpSession implements LiveConnection, ChannelReceiver {
  readonly #surroundings: TcpSurroundings;
  readonly #client: ByteChannel;
  readonly #record: TcpRecord;
  #turn: EndpointTurn | undefined;
  #dial: ChannelDial | undefined;
  #bridge: ChannelBridge | undefined;
  #isOver = false;

  constructor(surroundings: TcpSurroundings, client: ByteChannel, facts: DownstreamFacts) {
    this.#surroundings = surroundings;
    this.#client = client;
    this.#record = new TcpRecord(facts, surroundings.loop.nowMs, surroundings.wallTimeMs());
  }

  readonly activeExchanges = 1;

  /** `serverName`: what the client's TLS names, if that was looked at. */
  start(config: ConfigSnapshot, routes: readonly CompiledTcpRoute[], serverName: string | undefined): void {
    const { live, tcpObserver } = this.#surroundings;
    const record = this.#record;
    record.serverName = serverName;
    live.add(this);
    tcpObserver.onTcpStart(record);
    const decision = decideTcp(config, record.facts, routes, serverName);
    if (decision.kind === 'close') return this.#refuse(decision.flag ?? '', decision.details);
    record.routeName = decision.routeName;
    this.#connect(decision.permit, decision.target);
  }

  /** A stream of bytes has no end that could be asked for: it goes on until the deadline. */
  drain(): void {
    // Spec: contract l7 9.3.
  }

  leave(): void {
    // As for a drain: its client cannot be asked to come again.
  }

  close(): void {
    if (this.#isOver) return;
    this.#dial?.cancel();
    if (this.#bridge === undefined) this.#client.close();
    this.#bridge?.close();
    this.#end('');
  }

  onChannel(channel: ByteChannel, localAddress: string): void {
    this.#dial = undefined;
    this.#record.upstreamLocalAddress = localAddress;
    this.#bridge = new ChannelBridge(this.#client, channel, (result) => this.#onBridgeEnd(result));
    this.#watchProgress();
  }

  onChannelFailed(failure: ConnectFailure): void {
    this.#dial = undefined;
    this.#record.transportFailureReason = failure.transportReason;
    this.#turn?.release({ kind: 'connect-failure' });
    this.#refuse(failure.kind === 'overflow' ? 'UO' : 'UF', undefined);
  }

  /** Only with the permit. */
  #connect(permit: RequestAdmitted, target: BackendTarget): void {
    const record = this.#record;
    record.target = target;
    const turn = this.#surroundings.upstreams.take(target, choiceFacts(record.facts, record.serverName));
    switch (turn.kind) {
      case 'endpoint':
        this.#turn = turn;
        record.endpoint = turn.endpoint;
        this.#dial = turn.cluster.dial(turn.endpoint, connectionRequest(record), this);
        return;
      case 'unknown-backend':
        return this.#refuse('NC', 'cluster_not_found');
      case 'no-endpoint':
        return this.#refuse('UH', 'no_healthy_upstream');
      case 'overflow':
        return this.#refuse('UO', 'upstream_overflow');
      case 'resolving':
        return this.#awaitName(permit, target);
    }
  }

  /** Somebody looks up where the backend is. */
  #awaitName(permit: RequestAdmitted, target: BackendTarget): void {
    const { loop } = this.#surroundings;
    if (loop.nowMs - this.#record.startMs >= longestLookUpMs) return this.#refuse('UH', 'no_healthy_upstream');
    loop.setTimer(lookUpPollMs, {
      onTimer: () => {
        if (!this.#isOver) this.#connect(permit, target);
      },
    });
  }

  #refuse(flag: TcpRecord['flag'], details: string | undefined): void {
    this.#record.details = details;
    this.#client.close();
    this.#end(flag);
  }

  #onBridgeEnd({ lost }: ChannelBridgeResult): void {
    this.#turn?.release(lost?.side === 'far' ? { kind: 'reset' } : { kind: 'canceled' });
    this.#end(lost === undefined ? '' : lost.side === 'far' ? 'UC' : 'DC');
  }

  #watchProgress(): void {
    const { loop, tcpObserver } = this.#surroundings;
    loop.setTimer(tcpObserver.tcpReportMs(this.#record), {
      onTimer: () => {
        if (this.#isOver) return;
        this.#count();
        tcpObserver.onTcpProgress(this.#record);
        this.#watchProgress();
      },
    });
  }

  #count(): void {
    this.#record.bytesReceived = this.#bridge?.bytesToFar ?? 0;
    this.#record.bytesSent = this.#bridge?.bytesToNear ?? 0;
  }

  #end(flag: TcpRecord['flag']): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { loop, live, tcpObserver } = this.#surroundings;
    this.#turn?.release({ kind: 'canceled' });
    this.#count();
    this.#record.flag = flag;
    this.#record.endMs = loop.nowMs;
    live.remove(this);
    tcpObserver.onTcpEnd(this.#record);
  }
}

function connectionRequest({ facts, serverName }: TcpRecord): ConnectionRequest {
  const source = parseSocketAddress(facts.remoteAddress) ?? { address: facts.sourceAddress, port: 0 };
  const destination = { address: facts.destinationAddress, port: facts.destinationPort };
  return { client: { source, destination }, requestHost: serverName ?? '', alpn: [] };
}

function choiceFacts(facts: DownstreamFacts, serverName: string | undefined): UpstreamChoiceFacts {
  return {
    hash: undefined,
    triedEndpoints: [],
    clientProtocol: 'HTTP/1.1',
    isUpgrade: false,
    originalAddress: facts.destinationAddress,
    originalPort: facts.destinationPort,
    requestHost: serverName ?? '',
  };
}
