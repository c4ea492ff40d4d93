/** Extension providers that take what proxies tell. Spec: l7.md sections 7.3 and 7.4. */
import { isPlainObject } from '@ambit/kube';
import { jsonLogFormat, textLogFormat } from '@ambit/telemetry';
import type {
  CollectorSettings,
  LogFormatSettings,
  LogProviderSettings,
  TracingProviderSettings,
} from '../mesh-settings.ts';
import { type Fields, millisecondsAt, numberAt, textAt } from './provider-fields.ts';
import { formatConstants } from './telemetry-problems.ts';

export function tracingProvider(name: string, fields: Fields, place: string): TracingProviderSettings {
  const detectors = fields['resourceDetectors'];
  const { http, grpc } = fields;
  const ignored = [
    isPlainObject(detectors) && detectors['dynatrace'] !== undefined ? ['resourceDetectors.dynatrace'] : [],
    fields['dynatraceSampler'] === undefined ? [] : ['dynatraceSampler'],
    enrichments.has(fields['serviceAttributeEnrichment']) ? [] : ['serviceAttributeEnrichment'],
  ];
  const collector = collectorAt(fields, place);
  return {
    name,
    collector: {
      ...collector,
      ...(isPlainObject(http) ? overHttp(http, `${place}.http`) : {}),
      ...(isPlainObject(grpc) && !isPlainObject(http) ? overGrpc(grpc, `${place}.grpc`) : {}),
      readsEnvironment: isPlainObject(detectors) && detectors['environment'] !== undefined,
    },
    maxUrlChars: fields['maxTagLength'] === undefined ? 0 : numberAt(fields, 'maxTagLength', place, 0, 65_536),
    ignored: ignored.flat(),
  };
}

/** `envoyFileAccessLog`: files other than standard output cannot be had. */
export function fileLogProvider(name: string, fields: Fields, place: string): LogProviderSettings {
  const path = textAt(fields, 'path', place, standardOutput);
  const format = logFormatAt(fields, place);
  return {
    name,
    ...format,
    omitsEmpty: fields['omitEmptyValues'] === true,
    collector: undefined,
    ignored: [...pathProblems(path), ...formatProblems(format)],
  };
}

/** `envoyOtelAls`: the text is the body, labels are attributes. */
export function otelLogProvider(name: string, fields: Fields, place: string): LogProviderSettings {
  const format = logFormatAt(fields, place);
  const collector = collectorAt(fields, place);
  return { name, ...format, omitsEmpty: false, collector, ignored: formatProblems(format) };
}

const standardOutput = '/dev/stdout';

export function pathProblems(path: string): readonly string[] {
  return path === standardOutput ? [] : [`lines go to ${standardOutput}, not to ${path}`];
}

function logFormatAt(fields: Fields, place: string): LogFormatSettings {
  const format = fields['logFormat'] ?? {};
  if (!isPlainObject(format)) throw new Error(`${place}.logFormat must be an object`);
  const { labels } = format;
  if (labels !== undefined && !isPlainObject(labels)) throw new Error(`${place}.logFormat.labels must be an object`);
  const text = textAt(format, 'text', `${place}.logFormat`, '');
  return { text, template: labels === undefined ? undefined : JSON.stringify(labels) };
}

const maxTemplateChars = 65_536;

/** What of a format is not shown. Throws for one that cannot be. */
export function formatProblems({ text, template }: LogFormatSettings): readonly string[] {
  if (template !== undefined && template.length > maxTemplateChars)
    throw new Error(`a log format of more than ${maxTemplateChars} characters`);
  const fields: unknown = JSON.parse(template ?? '{}');
  if (!isPlainObject(fields)) throw new Error('a log format that is no JSON object');
  const options = { constants: formatConstants };
  return [...textLogFormat(text, options).unknownOperators, ...jsonLogFormat(fields, options).unknownOperators].map(
    (operator) => `${operator} is not known here; it is shown as missing`,
  );
}

const enrichments: ReadonlySet<unknown> = new Set([undefined, 'ISTIO_CANONICAL']);
/** Istio leaves it open; a collector that does not answer must not be waited for. */
const grpcTimeout = '10s';

function collectorAt(fields: Fields, place: string): CollectorSettings {
  return {
    service: textAt(fields, 'service', place).toLowerCase(),
    port: numberAt(fields, 'port', place, 1, 65_535),
    timeoutMs: millisecondsAt({}, 'timeout', place, grpcTimeout),
    httpPath: undefined,
    headers: {},
    readsEnvironment: false,
  };
}

type Transport = Pick<CollectorSettings, 'httpPath' | 'timeoutMs' | 'headers'>;

function overHttp(http: Fields, place: string): Transport {
  const path = textAt(http, 'path', place, '/');
  return {
    httpPath: path.startsWith('/') ? path : `/${path}`,
    timeoutMs: millisecondsAt(http, 'timeout', place, '3s'),
    headers: headersAt(http, 'headers', place),
  };
}

function overGrpc(grpc: Fields, place: string): Transport {
  return {
    httpPath: undefined,
    timeoutMs: millisecondsAt(grpc, 'timeout', place, grpcTimeout),
    headers: headersAt(grpc, 'initialMetadata', place),
  };
}

/** `{name, value}` or `{name, envName}`: a variable of this process. A later one of the same name counts. */
function headersAt(fields: Fields, list: string, place: string): Readonly<Record<string, string>> {
  const value = fields[list] ?? [];
  if (!Array.isArray(value)) throw new Error(`${place}.${list} must be a list of headers`);
  return Object.fromEntries(
    value.map((header: unknown, index) => {
      const at = `${place}.${list}[${index}]`;
      if (!isPlainObject(header)) throw new Error(`${at} must be an object`);
      const name = textAt(header, 'name', at).toLowerCase();
      if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) throw new Error(`${at}.name is no name of a header`);
      const variable = header['envName'] === undefined ? undefined : textAt(header, 'envName', at);
      // oxlint-disable-next-line node/no-process-env -- users name the variables
      const text = variable === undefined ? textAt(header, 'value', at, '') : (process.env[variable] ?? '');
      if (/[\0-\x08\x0A-\x1F\x7F]/.test(text)) throw new Error(`${at} holds what no header may`);
      return [name, text];
    }),
  );
}
