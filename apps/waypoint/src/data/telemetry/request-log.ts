import {
  defaultLogFormat,
  type DescriptorSink,
  evaluate,
  type Expression,
  jsonLogFormat,
  LineBuffer,
  type LogConstants,
  type RequestLogFormat,
  textLogFormat,
} from '@ambit/telemetry';

import type { TelemetrySettings } from '../../config/proxy.ts';
import type { RequestRecord } from '../../request/request-record.ts';
import type { TcpRecord } from '../tcp-record.ts';
import { TrafficAttributes } from './traffic-attributes.ts';
import { userExpression } from './user-expression.ts';

/** Lines that wait to be written; what does not fit is counted and lost. */
const bufferBytes = 256 * 1024;

/** What is logged, and how; without a format nothing is. */
export interface LogPlan {
  readonly format: RequestLogFormat | undefined;
  readonly minStatus: number;
  /** What is not true of a request keeps it out. */
  readonly filter: Expression | undefined;
}

/** What a configuration says of the access log. */
export function logPlan(settings: TelemetrySettings | undefined, constants: LogConstants): LogPlan {
  const log = settings?.accessLog;
  if (log?.enabled !== true) return { format: undefined, minStatus: 0, filter: undefined };
  const hasJson = Object.keys(log.jsonFormat).length > 0;
  const format = hasJson
    ? jsonLogFormat(log.jsonFormat, constants)
    : textLogFormat(log.textFormat === '' ? defaultLogFormat : log.textFormat, constants);
  const filter = log.filter === '' ? undefined : userExpression(log.filter);
  return { format, minStatus: log.minStatus, filter };
}

/** The access log of one worker: lines collected during a turn, written at its end. */
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

  write(record: RequestRecord | TcpRecord, { format, minStatus, filter }: LogPlan): void {
    if (format === undefined) return;
    const status = record.value('RESPONSE_CODE');
    if (minStatus > 0 && typeof status === 'number' && status !== 0 && status < minStatus) return;
    if (filter !== undefined && evaluate(filter, new TrafficAttributes(record)) !== true) return;
    if (format.write(this.#buffer, record)) return;
    this.flush();
    if (!format.write(this.#buffer, record)) this.#lostLines += 1;
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
