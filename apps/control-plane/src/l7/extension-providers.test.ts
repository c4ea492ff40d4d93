import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseExtensionProviders } from './extension-providers.ts';

test('providers of authorization and tracing are read with the defaults of Istio, and other providers are left alone', () => {
  const { authorization: providers, tracing } = parseExtensionProviders(
    JSON.stringify([
      { name: 'logs', envoyFileAccessLog: { path: '/dev/stdout' } },
      { name: 'otel', opentelemetry: { service: 'obs/otel.obs.svc.cluster.local', port: 4317 } },
      { name: 'grpc', envoyExtAuthzGrpc: { service: 'auth/Opa.Auth.svc.cluster.local', port: 9191 } },
      {
        name: 'http',
        envoyExtAuthzHttp: {
          service: 'authz.example',
          port: 8000,
          timeout: '1.5s',
          failOpen: true,
          statusOnError: '503',
          pathPrefix: '/check',
          includeRequestHeadersInCheck: ['x-*'],
          includeAdditionalHeadersInCheck: { a: 'b' },
          includeRequestBodyInCheck: { maxRequestBytes: 4096, allowPartialMessage: true },
          headersToUpstreamOnAllow: ['authorization'],
        },
      },
    ]),
  );
  assert.deepEqual(providers[0], {
    name: 'grpc',
    service: 'auth/opa.auth.svc.cluster.local',
    port: 9191,
    timeoutMs: 600_000,
    failsOpen: false,
    statusOnError: 403,
    maxBodyBytes: 0,
    allowsPartialBody: false,
    protocol: { kind: 'grpc' },
  });
  assert.deepEqual(tracing, [
    {
      name: 'otel',
      collector: {
        service: 'obs/otel.obs.svc.cluster.local',
        port: 4317,
        timeoutMs: 10_000,
        httpPath: undefined,
        headers: {},
        readsEnvironment: false,
      },
      maxUrlChars: 0,
      ignored: [],
    },
  ]);
  assert.equal(providers.length, 2);
  assert.equal(providers[1]?.timeoutMs, 1_500);
  assert.equal(providers[1]?.maxBodyBytes, 4_096);
});

test('collectors are read with transport, headers and time, and what has no effect is kept for telling', () => {
  const [http, grpc] = parseExtensionProviders(
    JSON.stringify([
      {
        name: 'http',
        opentelemetry: {
          service: 'my.olly.example',
          port: 443,
          maxTagLength: 100,
          http: {
            path: 'v1/traces',
            headers: [
              { name: 'X-Key', value: 'k' },
              { name: 'x-unset', envName: 'AMBIT_TEST_NO_SUCH_VARIABLE' },
            ],
          },
          resourceDetectors: { environment: {}, dynatrace: {} },
          serviceAttributeEnrichment: 'OTEL_SEMANTIC_CONVENTIONS',
        },
      },
      {
        name: 'grpc',
        opentelemetry: {
          service: 'otel.example',
          port: 4317,
          grpc: { timeout: '2s', initialMetadata: [{ name: 'token', value: 't' }] },
          dynatraceSampler: { tenant: 't', clusterId: 1 },
        },
      },
    ]),
  ).tracing;
  const { httpPath, timeoutMs, headers, readsEnvironment } = http?.collector ?? {};
  assert.deepEqual(
    [httpPath, timeoutMs, headers, readsEnvironment],
    ['/v1/traces', 3_000, { 'x-key': 'k', 'x-unset': '' }, true],
  );
  assert.equal(http?.maxUrlChars, 100);
  assert.deepEqual(http?.ignored, ['resourceDetectors.dynatrace', 'serviceAttributeEnrichment']);
  assert.deepEqual([grpc?.collector.timeoutMs, grpc?.collector.headers], [2_000, { token: 't' }]);
  assert.deepEqual(grpc?.ignored, ['dynatraceSampler']);
});

test('access logs are read with their formats, and what is not shown is kept for telling', () => {
  const { logs, prometheus } = parseExtensionProviders(
    JSON.stringify([
      { name: 'text', envoyFileAccessLog: { path: '/tmp/log', logFormat: { text: '%NO_SUCH% x' } } },
      {
        name: 'labels',
        envoyFileAccessLog: { logFormat: { labels: { a: '%CEL(request.host)%', b: { c: 1 } } }, omitEmptyValues: true },
      },
      { name: 'otel', envoyOtelAls: { service: 'otel.example', port: 4317, logFormat: { labels: {} } } },
      { name: 'scraped', prometheus: {} },
    ]),
  );
  const [text, labels, otel] = logs;
  assert.deepEqual([text?.text, text?.template, text?.omitsEmpty], ['%NO_SUCH% x', undefined, false]);
  assert.deepEqual(text?.ignored, [
    'lines go to /dev/stdout, not to /tmp/log',
    '%NO_SUCH% is not known here; it is shown as missing',
  ]);
  assert.deepEqual(
    [labels?.template, labels?.omitsEmpty, labels?.ignored],
    ['{"a":"%CEL(request.host)%","b":{"c":1}}', true, []],
  );
  assert.deepEqual([otel?.template, otel?.collector?.service], ['{}', 'otel.example']);
  assert.deepEqual(prometheus, ['scraped']);
});

const collector = (more: string): string => `[{"name":"a","opentelemetry":{"service":"x","port":1,${more}}}]`;

const bad: readonly (readonly [string, RegExp])[] = [
  ['{}', /must be a JSON list/],
  ['[{"name":"Bad Name"}]', /\[0\]\.name must be a DNS label/],
  ['[{"name":"a","envoyExtAuthzGrpc":{"port":1}}]', /envoyExtAuthzGrpc\.service must be a string/],
  ['[{"name":"a","envoyExtAuthzGrpc":{"service":"x","port":0}}]', /port must be a whole number/],
  ['[{"name":"a","envoyExtAuthzGrpc":{"service":"x","port":1,"timeout":"soon"}}]', /timeout must be a duration/],
  ['[{"name":"a","envoyExtAuthzHttp":{"service":"x","port":1,"headersToUpstreamOnAllow":["*"]}}]', /no header name/],
  ['[{"name":"a","envoyFileAccessLog":{"logFormat":{"labels":"x"}}}]', /labels must be an object/],
  ['[{"name":"a","envoyOtelAls":{"port":1}}]', /envoyOtelAls\.service must be a string/],
  ['[{"name":"a","opentelemetry":{"service":"x"}}]', /opentelemetry\.port must be a whole number/],
  [collector('"http":{"timeout":"soon"}'), /http\.timeout must be a duration/],
  [collector('"http":{"headers":{}}'), /http\.headers must be a list/],
  [collector('"http":{"headers":[{"name":"a b"}]}'), /headers\[0\]\.name is no name of a header/],
  [collector('"grpc":{"initialMetadata":[{"name":"a","value":"b\\r\\nc"}]}'), /what no header may/],
];
for (const [text, reason] of bad) {
  test(`refused: ${text}`, () => assert.throws(() => parseExtensionProviders(text), reason));
}
