import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultTelemetry } from '../mesh-settings.ts';
import { parseTelemetryDefaults } from './telemetry-defaults.ts';

test('a mesh configuration that says nothing is that of Istio', () => {
  assert.deepEqual(parseTelemetryDefaults('{}'), defaultTelemetry);
});

test('logs, default providers and tracing are read, and what has no effect is told', () => {
  const read = parseTelemetryDefaults(
    JSON.stringify({
      accessLogFile: '/var/log/access',
      accessLogEncoding: 'JSON',
      accessLogFormat: '{"code":"%RESPONSE_CODE%","odd":"%NO_SUCH%"}',
      enableTracing: true,
      defaultProviders: { tracing: ['otel'], metrics: [], accessLogging: ['envoy'] },
      defaultConfig: {
        concurrency: 2,
        tracing: {
          sampling: 10,
          maxPathTagLength: 64,
          zipkin: { address: 'x' },
          customTags: {
            a: { literal: { value: 'b' } },
            h: { header: { name: 'x-h', defaultValue: 'none' } },
            e: { environment: { name: 'E' } },
          },
        },
      },
    }),
  );
  assert.deepEqual(read, {
    isLogged: true,
    log: { text: '', template: '{"code":"%RESPONSE_CODE%","odd":"%NO_SUCH%"}' },
    tracing: ['otel'],
    metrics: [],
    accessLogging: ['envoy'],
    samplingPercent: 10,
    maxUrlChars: 64,
    tags: [
      ['a', { kind: 'literal', value: 'b' }],
      ['h', { kind: 'header', name: 'x-h', fallback: 'none' }],
      ['e', { kind: 'environment', name: 'E', fallback: '' }],
    ],
    ignored: [
      'enableTracing has no effect',
      'defaultConfig.tracing.zipkin has no effect',
      'lines go to /dev/stdout, not to /var/log/access',
      '%NO_SUCH% is not known here; it is shown as missing',
    ],
  });
});

test('Istio’s default fields stand where JSON has no format, and text is taken as it is', () => {
  const log = (fields: object): unknown => parseTelemetryDefaults(JSON.stringify(fields)).log;
  assert.deepEqual(log({ accessLogEncoding: 'JSON' }), { text: '', template: '{}' });
  assert.deepEqual(log({ accessLogFormat: '%PROTOCOL%' }), { text: '%PROTOCOL%', template: undefined });
});

const bad: readonly (readonly [string, RegExp])[] = [
  ['[]', /must be a JSON object/],
  ['{"accessLogEncoding":"YAML"}', /must be TEXT or JSON/],
  ['{"accessLogEncoding":"JSON","accessLogFormat":"[]"}', /no JSON object/],
  [`{"accessLogFormat":"${'x'.repeat(20_000)}"}`, /more than 16384 characters/],
  ['{"defaultProviders":{"tracing":"otel"}}', /defaultProviders\.tracing must be a list/],
  ['{"defaultProviders":{"tracing":[1]}}', /defaultProviders\.tracing must be a list/],
  ['{"defaultConfig":{"tracing":{"sampling":"10"}}}', /must be a percentage/],
  ['{"defaultConfig":{"tracing":{"maxPathTagLength":-1}}}', /must be a whole number/],
  ['{"defaultConfig":{"tracing":{"customTags":{"a":{}}}}}', /must have literal, header or environment/],
];
for (const [text, reason] of bad)
  test(`refused: ${text.slice(0, 80)}`, () => assert.throws(() => parseTelemetryDefaults(text), reason));
