import { logs as messages } from '@ambit/api';
import { type DescriptorSink, evaluate, LineBuffer } from '@ambit/telemetry';
import { create, toBinary } from '@bufbuild/protobuf';

import type { ConfigSnapshot } from '../../config/config-snapshot.ts';
import { RequestRecord } from '../../request/request-record.ts';
import type { OtlpSignal } from '../../request/trace/otlp-queues.ts';
import { textAttribute } from '../../request/trace/otlp-resource.ts';
import type { TcpRecord } from '../tcp-record.ts';
import type { LogPlan, PlannedLog } from './log-plan.ts';
import { TrafficAttributes } from './traffic-attributes.ts';

/** Lines that wait to be written; what does not fit is counted and lost. */
const bufferBytes = 256 * 1024;

type Logged = RequestRecord | TcpRecord;

/** The access log of one worker: lines collected during a turn, written at its end, and records for collectors. */
export class RequestLog {
  readonly #buffer = new LineBuffer(bufferBytes);
  readonly #output: DescriptorSink;
  #lostLines = 0;

  constructor(output: DescriptorSink) {
    this.#output = output;
  }

  /** Lines lost since the start: the reader was too slow, or a line was too long. */
  get lostLines(): number {
    return this.#lostLines;
  }

  write(record: Logged, { logs }: LogPlan, config: ConfigSnapshot | undefined): void {
    for (const log of logs) {
      if (!isWanted(record, log)) continue;
      const { output } = log;
      if (output.kind === 'collector') {
        output.queue.add(config, () => logRecord(record, output));
        continue;
      }
      if (output.format.write(this.#buffer, record)) continue;
      this.flush();
      if (!output.format.write(this.#buffer, record)) this.#lostLines += 1;
    }
  }

  /** Writes what goes. Called once a turn. */
  flush(): void {
    const buffer = this.#buffer;
    let at = 0;
    while (at < buffer.length) {
      const run = buffer.wholeLines(at, this.#output.maxWriteBytes);
      const written = this.#output.sink(buffer.bytes, at, run);
      if (written < run) {
        at += Math.max(0, written);
        break;
      }
      at += run;
    }
    if (at > 0) buffer.consume(at);
  }
}

function isWanted(record: Logged, { minStatus, filter }: PlannedLog): boolean {
  if (minStatus > 0) {
    const status = record.value('RESPONSE_CODE');
    if (typeof status === 'number' && status !== 0 && status < minStatus) return false;
  }
  return filter === undefined || evaluate(filter, new TrafficAttributes(record)) === true;
}

/** Istio: envoyOtelAls. */
function logRecord(
  record: Logged,
  { body, attributes }: PlannedLog['output'] & { readonly kind: 'collector' },
): messages.LogRecord {
  const trace = record instanceof RequestRecord ? record.trace : undefined;
  return create(messages.LogRecordSchema, {
    timeUnixNano: BigInt(record.startWallTimeMs) * 1_000_000n,
    body: { value: { case: 'stringValue', value: body.of(record) } },
    attributes: attributes.map(([name, value]) => textAttribute(name, value.of(record))),
    traceId: Buffer.from(trace?.traceId ?? '', 'hex'),
    spanId: Buffer.from(trace?.spanId ?? '', 'hex'),
  });
}

/** How records go to collectors. */
export const logSignal: OtlpSignal<messages.LogRecord> = {
  method: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  encode: (attributes, records) =>
    toBinary(
      messages.ExportLogsServiceRequestSchema,
      create(messages.ExportLogsServiceRequestSchema, {
        resourceLogs: [
          {
            resource: { attributes: [...attributes] },
            scopeLogs: [{ scope: { name: 'ambit-waypoint' }, logRecords: [...records] }],
          },
        ],
      }),
    ),
};
