/** Extension providers that take what proxies tell. Spec: l7.md sections 7.3 and 7.4. */
import { isPlainObject } from '@ambit/kube';
import type { CollectorSettings, TracingProviderSettings } from '../mesh-settings.ts';
import { type Fields, millisecondsAt, numberAt, textAt } from './provider-fields.ts';

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
