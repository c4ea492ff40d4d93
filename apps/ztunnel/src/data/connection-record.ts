/**
 * The one exit of a connection: opened when it begins, closed exactly once, and then metrics, access log, flow sample
 * and denial leave together.
 */
import type { SocketAddress } from '@ambit/net';
import type { AccessLogEntry, AccessLogWriter, Counter, LabelSet } from '@ambit/telemetry';
import { addressText } from '@ambit/workload';
import type { DenialRecord, FromWorker } from '../worker-protocol.ts';
import type { Failure } from './failure.ts';
import type { TrafficFacts } from './traffic-labels.ts';
import type { TrafficMetrics } from './traffic-metrics.ts';

/** Where records go. */
export interface RecordOutlets {
  readonly metrics: TrafficMetrics;
  readonly log: AccessLogWriter;
  readonly flowSampleRate: number;
  nowMs(): number;
  random(): number;
  post(message: FromWorker): void;
}

/** A connection that is far enough to be counted. */
export interface RecordedConnection extends TrafficFacts {
  readonly sourceAddress: SocketAddress;
  /** Actual peer dialled (outbound) or local address with the listener's port (inbound). */
  readonly destinationAddress: SocketAddress;
  /** The CONNECT authority, with a tunnel. */
  readonly authority: string | undefined;
  readonly startMs: number;
}

/** Which policy a failed connection met, for the denial report. */
export type DenialCause = Pick<DenialRecord, 'policy' | 'reason' | 'isLate'>;

/** An open connection in metrics and logs. */
export class ConnectionRecord {
  readonly facts: RecordedConnection;
  readonly #outlets: RecordOutlets;
  /** Of a connection without failure; the counters below hold it. */
  readonly #labels: LabelSet;
  readonly #received: Counter;
  readonly #sent: Counter;
  #receivedBytes = 0;
  #sentBytes = 0;
  #isClosed = false;

  constructor(outlets: RecordOutlets, facts: RecordedConnection) {
    const { metrics, log } = outlets;
    const labels = metrics.labelsOf(facts, '-');
    const opened = metrics.opened.bind(labels);
    opened.inc();
    opened.release();
    this.#labels = labels;
    this.#received = metrics.received.bind(labels);
    this.#sent = metrics.sent.bind(labels);
    this.#outlets = outlets;
    this.facts = facts;
    if (log.level === 'debug' || log.level === 'trace') log.opened(this.#entry(0, 0, 0, undefined));
  }

  /** Sets the bytes so far; client to server is received, whatever side this proxy is. */
  progress(received: number, sent: number): void {
    this.#received.add(received - this.#receivedBytes);
    this.#sent.add(sent - this.#sentBytes);
    this.#receivedBytes = received;
    this.#sentBytes = sent;
  }

  /** Ends the connection; later calls do nothing. */
  close(failure?: Failure, denial?: DenialCause): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { metrics, log, nowMs } = this.#outlets;
    const labels = failure === undefined ? this.#labels : metrics.labelsOf(this.facts, failure.flag);
    const closed = metrics.closed.bind(labels);
    closed.inc();
    closed.release();
    this.#received.release();
    this.#sent.release();
    if (failure !== undefined) {
      const failed = metrics.failed.bind(labels);
      failed.inc();
      failed.release();
    }
    const durationMs = nowMs() - this.facts.startMs;
    const isSource = this.facts.reporter === 'source';
    // The log is from the view of this proxy's own application; the metrics are not.
    const bytesSent = isSource ? this.#receivedBytes : this.#sentBytes;
    const bytesReceived = isSource ? this.#sentBytes : this.#receivedBytes;
    log.complete(this.#entry(bytesSent, bytesReceived, durationMs, failure?.text));
    if (denial !== undefined) this.#reportDenial(denial);
    this.#sampleFlow(durationMs, failure);
  }

  #entry(bytesSent: number, bytesReceived: number, durationMs: number, error: string | undefined): AccessLogEntry {
    const { facts } = this;
    const { source, sourceBaggage: baggage, destination } = facts;
    return {
      sourceAddress: facts.sourceAddress,
      sourceWorkload: source?.name ?? baggage?.serviceName,
      sourceNamespace: source?.namespace ?? baggage?.namespace,
      sourceIdentity: facts.isMutualTls ? facts.sourcePrincipal : undefined,
      sourceCluster: source?.clusterId ?? baggage?.cluster,
      destinationAddress: facts.destinationAddress,
      hboneAddress: facts.authority,
      destinationService: facts.service?.hostname,
      destinationWorkload: destination?.name,
      destinationNamespace: destination?.namespace,
      destinationIdentity: facts.isMutualTls ? destination?.identity : undefined,
      destinationCluster: destination?.clusterId,
      direction: facts.reporter === 'source' ? 'outbound' : 'inbound',
      bytesSent,
      bytesReceived,
      durationMs,
      error,
    };
  }

  #reportDenial(cause: DenialCause): void {
    const { facts } = this;
    const denial: DenialRecord = {
      sourceIdentity: facts.sourcePrincipal ?? '',
      sourceAddress: addressText(facts.sourceAddress),
      destinationWorkload: facts.destination?.uid ?? '',
      destinationAddress: facts.authority ?? addressText(facts.destinationAddress),
      ...cause,
    };
    const denials = this.#outlets.metrics.denials.bind([facts.reporter, cause.policy, String(cause.isLate)]);
    denials.inc();
    denials.release();
    this.#outlets.post({ kind: 'denied', denial });
  }

  #sampleFlow(durationMs: number, failure: Failure | undefined): void {
    const { flowSampleRate: rate, random, post } = this.#outlets;
    if (rate <= 0 || (rate > 1 && random() * rate >= 1)) return;
    const { facts } = this;
    post({
      kind: 'flow',
      flow: {
        reporter: facts.reporter,
        sourceIdentity: facts.sourcePrincipal ?? facts.source?.identity ?? '',
        sourceWorkload: facts.source?.uid ?? facts.sourceBaggage?.workloadName ?? '',
        sourceAddress: addressText(facts.sourceAddress),
        destinationIdentity: facts.destination?.identity ?? '',
        destinationWorkload: facts.destination?.uid ?? '',
        destinationService: facts.service?.hostname ?? '',
        destinationAddress: facts.authority ?? addressText(facts.destinationAddress),
        bytesSent: this.#sentBytes,
        bytesReceived: this.#receivedBytes,
        durationMs: Math.round(durationMs),
        responseFlags: failure?.flag ?? '-',
      },
    });
  }
}
