/** What a configuration says of the access log, compiled once. Spec: contract l7 7.3. */
import type { logs, proxy } from '@ambit/api';
import {
  defaultJsonLogFormat,
  defaultLogFormat,
  type Expression,
  jsonLogFormat,
  type LogConstants,
  logText,
  type LogText,
  type RequestLogFormat,
  textLogFormat,
} from '@ambit/telemetry';

import type { TelemetrySettings } from '../../config/proxy.ts';
import type { OtlpQueue } from '../../request/trace/otlp-queue.ts';
import { userExpression } from './user-expression.ts';

/** Where lines go. */
type LogOutput =
  | { readonly kind: 'lines'; readonly format: RequestLogFormat }
  | {
      readonly kind: 'collector';
      readonly queue: OtlpQueue<logs.LogRecord>;
      readonly body: LogText;
      readonly attributes: readonly (readonly [name: string, value: LogText])[];
    };

/** One log of several. */
export interface PlannedLog {
  readonly output: LogOutput;
  readonly minStatus: number;
  /** What is not true of a request keeps it out. */
  readonly filter: Expression | undefined;
}

/** Empty: nothing is logged. */
export interface LogPlan {
  readonly logs: readonly PlannedLog[];
  /** What of the formats is not shown. */
  readonly problems: readonly string[];
}

/** What formats may ask of the process, and where collectors are. */
export interface LogSurroundings {
  readonly constants: LogConstants;
  queueOf(collector: proxy.Telemetry_Collector): OtlpQueue<logs.LogRecord>;
}

export function logPlan(settings: TelemetrySettings | undefined, surroundings: LogSurroundings): LogPlan {
  const problems: string[] = [];
  const messages = settings === undefined ? [] : [settings.accessLog, ...settings.furtherAccessLogs];
  return {
    logs: messages.flatMap((log) => {
      if (log?.enabled !== true) return [];
      const filter = log.filter === '' ? undefined : userExpression(log.filter);
      return [{ output: outputOf(log, surroundings, problems), minStatus: log.minStatus, filter }];
    }),
    problems,
  };
}

function outputOf(log: proxy.Telemetry_AccessLog, surroundings: LogSurroundings, problems: string[]): LogOutput {
  const { collector, omitsEmpty } = log;
  const options = { constants: surroundings.constants, omitsEmpty };
  const text = log.textFormat === '' ? defaultLogFormat : log.textFormat;
  const fields = templateOf(log.jsonTemplate, problems);
  try {
    if (collector === undefined) {
      const isJson = log.jsonTemplate !== '';
      const format = isJson ? jsonLogFormat(fields ?? defaultJsonLogFormat, options) : textLogFormat(text, options);
      problems.push(...format.unknownOperators);
      return { kind: 'lines', format };
    }
    const body = logText(text, options);
    const attributes = Object.entries(fields ?? {}).map(
      ([name, value]) => [name, logText(typeof value === 'string' ? value : JSON.stringify(value), options)] as const,
    );
    problems.push(...[body, ...attributes.map(([, value]) => value)].flatMap((one) => one.unknownOperators));
    return { kind: 'collector', queue: surroundings.queueOf(collector), body, attributes };
  } catch (error) {
    // The control plane has told of it too.
    problems.push(error instanceof Error ? error.message : String(error));
    return { kind: 'lines', format: textLogFormat(defaultLogFormat, options) };
  }
}

/** Undefined without fields, and for what is no JSON object. */
function templateOf(text: string, problems: string[]): Readonly<Record<string, unknown>> | undefined {
  if (text === '') return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0)
      return Object.fromEntries(Object.entries(value));
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  return undefined;
}
