/** Mesh configuration `extensionProviders` as text. Spec: l7.md section 4.7. */
import { isPlainObject } from '@ambit/kube';
import type { AuthorizationProviderSettings, LogProviderSettings, TracingProviderSettings } from '../mesh-settings.ts';
import { type Fields, mapAt, millisecondsAt, numberAt, textAt, textsAt } from './provider-fields.ts';
import { fileLogProvider, otelLogProvider, tracingProvider } from './telemetry-providers.ts';

/** What a mesh may ask others about its requests, and tell others of them. */
export interface ExtensionProviders {
  readonly authorization: readonly AuthorizationProviderSettings[];
  readonly tracing: readonly TracingProviderSettings[];
  readonly logs: readonly LogProviderSettings[];
  /** Names, in lower case, that mean metrics are there to be scraped. */
  readonly prometheus: readonly string[];
}

/**
 * Parses the JSON list that stands in a MeshConfig; kinds of providers that are not known here are left alone. Throws with
 * what is wrong, and where.
 */
export function parseExtensionProviders(text: string): ExtensionProviders {
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value)) throw new Error('must be a JSON list of extension providers');
  const authorization: AuthorizationProviderSettings[] = [];
  const tracing: TracingProviderSettings[] = [];
  const logs: LogProviderSettings[] = [];
  const prometheus: string[] = [];
  value.forEach((entry: unknown, index) => {
    const place = `[${index}]`;
    if (!isPlainObject(entry)) throw new Error(`${place} must be an object`);
    const name = textAt(entry, 'name', place);
    if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) throw new Error(`${place}.name must be a DNS label`);
    const { envoyExtAuthzHttp: http, envoyExtAuthzGrpc: grpc, opentelemetry } = entry;
    const { envoyFileAccessLog: file, envoyOtelAls: otel } = entry;
    if (isPlainObject(http)) authorization.push(provider(name, http, `${place}.envoyExtAuthzHttp`, 'http'));
    if (isPlainObject(grpc)) authorization.push(provider(name, grpc, `${place}.envoyExtAuthzGrpc`, 'grpc'));
    if (isPlainObject(opentelemetry)) tracing.push(tracingProvider(name, opentelemetry, `${place}.opentelemetry`));
    if (isPlainObject(file)) logs.push(fileLogProvider(name, file, `${place}.envoyFileAccessLog`));
    if (isPlainObject(otel)) logs.push(otelLogProvider(name, otel, `${place}.envoyOtelAls`));
    if (isPlainObject(entry['prometheus'])) prometheus.push(name.toLowerCase());
  });
  return { authorization, tracing, logs, prometheus };
}

function provider(name: string, fields: Fields, place: string, kind: 'http' | 'grpc'): AuthorizationProviderSettings {
  const body = fields['includeRequestBodyInCheck'];
  const bodyFields = isPlainObject(body) ? body : {};
  return {
    name,
    service: textAt(fields, 'service', place).toLowerCase(),
    port: numberAt(fields, 'port', place, 1, 65_535),
    // Istio waits ten minutes when nothing is written.
    timeoutMs: millisecondsAt(fields, 'timeout', place, '600s'),
    failsOpen: fields['failOpen'] === true,
    statusOnError: Number(textAt(fields, 'statusOnError', place, '403')),
    maxBodyBytes:
      bodyFields['maxRequestBytes'] === undefined ? 0 : numberAt(bodyFields, 'maxRequestBytes', place, 1, 2 ** 30),
    allowsPartialBody: bodyFields['allowPartialMessage'] === true,
    protocol:
      kind === 'grpc'
        ? { kind: 'grpc' }
        : {
            kind: 'http',
            pathPrefix: textAt(fields, 'pathPrefix', place, ''),
            includedHeaders: [
              ...textsAt(fields, 'includeRequestHeadersInCheck', place),
              ...textsAt(fields, 'includeHeadersInCheck', place),
            ],
            addedHeaders: mapAt(fields, 'includeAdditionalHeadersInCheck', place),
            headersToUpstream: textsAt(fields, 'headersToUpstreamOnAllow', place),
            headersToDownstreamOnAllow: textsAt(fields, 'headersToDownstreamOnAllow', place),
            headersToDownstreamOnDeny: textsAt(fields, 'headersToDownstreamOnDeny', place),
          },
  };
}
