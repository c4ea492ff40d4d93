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
  assert.deepEqual(tracing, [{ name: 'otel', service: 'obs/otel.obs.svc.cluster.local', port: 4317 }]);
  assert.equal(providers.length, 2);
  assert.equal(providers[1]?.timeoutMs, 1_500);
  assert.equal(providers[1]?.maxBodyBytes, 4_096);
});

const bad: readonly (readonly [string, RegExp])[] = [
  ['{}', /must be a JSON list/],
  ['[{"name":"Bad Name"}]', /\[0\]\.name must be a DNS label/],
  ['[{"name":"a","envoyExtAuthzGrpc":{"port":1}}]', /envoyExtAuthzGrpc\.service must be a string/],
  ['[{"name":"a","envoyExtAuthzGrpc":{"service":"x","port":0}}]', /port must be a whole number/],
  ['[{"name":"a","envoyExtAuthzGrpc":{"service":"x","port":1,"timeout":"soon"}}]', /timeout must be a duration/],
  ['[{"name":"a","envoyExtAuthzHttp":{"service":"x","port":1,"headersToUpstreamOnAllow":["*"]}}]', /no header name/],
];
for (const [text, reason] of bad) {
  test(`refused: ${text}`, () => assert.throws(() => parseExtensionProviders(text), reason));
}
