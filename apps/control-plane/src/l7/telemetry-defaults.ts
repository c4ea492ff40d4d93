/** Fields of the mesh configuration that hold where no Telemetry says anything. Spec: Istio, mesh.v1alpha1 MeshConfig. */
import { isPlainObject, type TagSource } from '@ambit/kube';
import { defaultTelemetry, type LogFormatSettings, type TelemetryDefaults } from '../mesh-settings.ts';
import { type Fields, textAt } from './provider-fields.ts';
import { formatProblems, pathProblems } from './telemetry-providers.ts';

const known: ReadonlySet<string> = new Set([
  'accessLogFile',
  'accessLogFormat',
  'accessLogEncoding',
  'defaultProviders',
  'defaultConfig',
]);
const knownOfTracing: ReadonlySet<string> = new Set(['sampling', 'customTags', 'maxPathTagLength']);

/** Parses the JSON object with those fields of a MeshConfig. Throws with what is wrong, and where. */
export function parseTelemetryDefaults(text: string): TelemetryDefaults {
  const value: unknown = JSON.parse(text);
  if (!isPlainObject(value)) throw new Error('must be a JSON object with fields of a MeshConfig');
  const file = textAt(value, 'accessLogFile', 'MeshConfig', '');
  const log = logFormat(value);
  const providers = objectAt(value, 'defaultProviders', '');
  const tracing = objectAt(objectAt(value, 'defaultConfig', ''), 'tracing', 'defaultConfig.');
  return {
    isLogged: file !== '',
    log,
    tracing: namesAt(providers, 'tracing', defaultTelemetry.tracing),
    metrics: namesAt(providers, 'metrics', defaultTelemetry.metrics),
    accessLogging: namesAt(providers, 'accessLogging', defaultTelemetry.accessLogging),
    samplingPercent: samplingAt(tracing),
    tags: Object.entries(objectAt(tracing, 'customTags', 'defaultConfig.tracing.')).map(
      ([name, tag]) => [name, tagSource(tag, `defaultConfig.tracing.customTags.${name}`)] as const,
    ),
    maxUrlChars: countAt(tracing, 'maxPathTagLength'),
    ignored: [
      ...Object.keys(value).filter((name) => !known.has(name)),
      ...Object.keys(tracing)
        .filter((name) => !knownOfTracing.has(name))
        .map((name) => `defaultConfig.tracing.${name}`),
    ]
      .map((field) => `${field} has no effect`)
      .concat(file === '' ? [] : pathProblems(file), formatProblems(log)),
  };
}

function logFormat(fields: Fields): LogFormatSettings {
  const format = textAt(fields, 'accessLogFormat', 'MeshConfig', '');
  const encoding = textAt(fields, 'accessLogEncoding', 'MeshConfig', 'TEXT');
  if (encoding === 'TEXT') return { text: format, template: undefined };
  if (encoding !== 'JSON') throw new Error('accessLogEncoding must be TEXT or JSON');
  return { text: '', template: format === '' ? '{}' : format };
}

/** 0 says nothing, and what is over 100 is taken for 1, as in Istio. */
function samplingAt(tracing: Fields): number {
  const value = tracing['sampling'] ?? 0;
  if (typeof value !== 'number' || value < 0) throw new Error('defaultConfig.tracing.sampling must be a percentage');
  return value === 0 || value > 100 ? defaultTelemetry.samplingPercent : value;
}

function countAt(tracing: Fields, name: string): number {
  const value = tracing[name] ?? 0;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65_536) return value;
  throw new Error(`defaultConfig.tracing.${name} must be a whole number from 0 to 65536`);
}

function namesAt(fields: Fields, name: string, fallback: readonly string[]): readonly string[] {
  const value = fields[name];
  if (value === undefined) return fallback;
  if (!Array.isArray(value)) throw new Error(`defaultProviders.${name} must be a list of names`);
  return value.map((item: unknown) => {
    if (typeof item !== 'string') throw new Error(`defaultProviders.${name} must be a list of names`);
    return item;
  });
}

function objectAt(fields: Fields, name: string, prefix: string): Fields {
  const value = fields[name] ?? {};
  if (!isPlainObject(value)) throw new Error(`${prefix}${name} must be an object`);
  return value;
}

function tagSource(tag: unknown, place: string): TagSource {
  if (!isPlainObject(tag)) throw new Error(`${place} must be an object`);
  const { literal, header, environment } = tag;
  if (isPlainObject(literal)) return { kind: 'literal', value: textAt(literal, 'value', `${place}.literal`) };
  const kind = isPlainObject(header) ? 'header' : 'environment';
  const source = isPlainObject(header) ? header : environment;
  if (!isPlainObject(source)) throw new Error(`${place} must have literal, header or environment`);
  const name = textAt(source, 'name', `${place}.${kind}`);
  return { kind, name, fallback: textAt(source, 'defaultValue', `${place}.${kind}`, '') };
}
