/** Metrics shared between threads, their exposition, access log and loggers. */
export {
  type AccessLogEntry,
  type AccessLogOptions,
  AccessLogWriter,
  type LogField,
  type LoggedAddress,
  type LogSink,
} from './access-log-writer.ts';
export { type AdminHandler, answerAdmin, createAdminServer } from './admin/admin-server.ts';
export type { AttributeName, HeaderPlace } from './expression/attributes.ts';
export { DurationValue } from './expression/duration-value.ts';
export { evaluate, type Expression, type ExpressionSource, type ExpressionValue } from './expression/expression.ts';
export { type CompilePattern, type ParsedExpression, parseExpression } from './expression/parse-expression.ts';
export { closeServer, listen, listenAddress } from './admin/http-listener.ts';
export { createReadinessServer, readinessHandler } from './admin/readiness-server.ts';
export { extraLabels, isLabelName, renderExtraLabels } from './label-text.ts';
export { type LabelSchema, type LabelSet, type LabelValues, OVERFLOW_VALUE } from './label-schema.ts';
export { descriptorSink, type DescriptorSink } from './log-descriptor.ts';
export { isLevelEnabled, type LogLevel, LogLevels } from './log-levels.ts';
export { type LogReport, logReport } from './log-report.ts';
export { createLogger, type Logger, type LoggerOptions, type LoggerRoot } from './logger.ts';
export type { FamilyDescriptor, MetricAnnouncement, MetricKind } from './metric-announcement.ts';
export type { MetricFamily } from './metric-family.ts';
export { type FamilyOptions, MetricRegistry, type MetricRegistryOptions } from './metric-registry.ts';
export type { ComputedSample } from './metric-view.ts';
export { metricsHandler, type Scrapable } from './metrics-handler.ts';
export { observeProcess } from './process-metrics.ts';
export type { Counter, Gauge, Histogram } from './series.ts';
export { LineBuffer, type Quoting } from './line-buffer.ts';
export {
  type LogConstants,
  type LoggedExpression,
  type LoggedRequest,
  type LogOperator,
  type LogValueName,
} from './request-log/log-operator.ts';
export { operatorText } from './request-log/operator-value.ts';
export {
  defaultJsonLogFormat,
  defaultLogFormat,
  type ParsedLogFormat,
  parseLogFormat,
} from './request-log/parse-log-format.ts';
export {
  jsonLogFormat,
  logText,
  type LogFormatOptions,
  type LogText,
  type RequestLogFormat,
  textLogFormat,
} from './request-log/request-log-line.ts';
