/** How entries of Telemetry resources about metrics are laid over each other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseManifests, type MetricsSpec } from '@ambit/kube';
import { metricSettings, type MetricSettings } from './metric-settings.ts';

/** Of entries of one waypoint, most general first, as YAML. */
function settingsOf(entries: string, defaultProviders: readonly string[] = ['prometheus']): MetricSettings {
  const { resources, reports } = parseManifests(
    'case.yaml',
    `apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: { name: a, namespace: b }\nspec: { metrics: ${entries} }\n`,
  );
  assert.deepEqual(reports, []);
  const specs = resources.flatMap((one): readonly MetricsSpec[] => (one.kind === 'Telemetry' ? one.spec.metrics : []));
  return metricSettings(
    specs,
    defaultProviders,
    (name) => name === 'prometheus' || name === 'second',
    (mode) => mode !== 'CLIENT',
  );
}

/** In short: metric, `off`, labels that go with a minus, labels that come with their text. */
function said({ isDisabled, overrides }: MetricSettings): string {
  if (isDisabled) return 'nothing is counted';
  return overrides
    .map(({ metric, disabled, removedLabels, addedLabels }) =>
      [
        metric,
        ...(disabled ? ['off'] : []),
        ...removedLabels.map((name) => `-${name}`),
        ...Object.entries(addedLabels).map(([name, text]) => `${name}=${text}`),
      ].join(' '),
    )
    .join('; ');
}

const count = 'match: { metric: REQUEST_COUNT }';
const table: readonly (readonly [name: string, entries: string, settings: string])[] = [
  ['without an entry everything is counted', '[]', ''],
  ['an entry that says nothing', '[{}]', ''],
  ['all are off', '[{ overrides: [{ disabled: true }] }]', 'nothing is counted'],
  [
    'all are off by name',
    '[{ overrides: [{ match: { metric: ALL_METRICS }, disabled: true }] }]',
    'nothing is counted',
  ],
  [
    'all come back when anything is said of one',
    `[{ overrides: [{ disabled: true }] }, { overrides: [{ ${count}, disabled: false }] }]`,
    '',
  ],
  [
    'what is said of all else stays off',
    `[{ overrides: [{ ${count}, tagOverrides: { a: { value: "'1'" } } }, { disabled: true }] }]`,
    'nothing is counted',
  ],
  [
    'a metric stays off when only its labels are changed after',
    `[{ overrides: [{ ${count}, disabled: true }] }, { overrides: [{ ${count}, tagOverrides: { a: { operation: REMOVE } } }] }]`,
    'REQUEST_COUNT off -a',
  ],
  [
    'a metric that was off is counted again',
    `[{ overrides: [{ ${count}, disabled: true }] }, { overrides: [{ ${count}, disabled: false }] }]`,
    '',
  ],
  [
    'labels of all metrics are said once',
    `[{ overrides: [{ tagOverrides: { a: { value: "'1'" }, b: { operation: REMOVE } } }] }]`,
    "ALL_METRICS -b a='1'",
  ],
  [
    'a later value of a label counts, and one that is not known is none',
    `[{ overrides: [{ ${count}, tagOverrides: { a: { value: "'1'" }, b: { value: "'1'" } } }, { ${count}, tagOverrides: { a: { value: "'2'" }, b: { value: nothing } } }] }]`,
    "REQUEST_COUNT a='2' b='1'",
  ],
  [
    'a label that went comes back, and one that came goes',
    `[{ overrides: [{ ${count}, tagOverrides: { a: { operation: REMOVE }, b: { value: "'1'" } } }, { ${count}, tagOverrides: { a: { value: "'1'" }, b: { operation: REMOVE } } }] }]`,
    "REQUEST_COUNT -b a='1'",
  ],
  [
    'the names of Prometheus mean the same metrics',
    '[{ overrides: [{ match: { customMetric: requests_total }, disabled: true }, { match: { customMetric: istio_tcp_sent_bytes_total }, disabled: true }] }]',
    'REQUEST_COUNT off; TCP_SENT_BYTES off',
  ],
  ['a metric that there is not', '[{ overrides: [{ match: { customMetric: mine }, disabled: true }] }]', ''],
  ['the other side is not meant', '[{ overrides: [{ match: { mode: CLIENT }, disabled: true }] }]', ''],
  [
    'a provider that there is not takes the place of the others',
    '[{ providers: [{ name: gone }] }]',
    'nothing is counted',
  ],
  [
    'what is said to a provider that was replaced does not count',
    `[{ providers: [{ name: second }], overrides: [{ ${count}, disabled: true }] }, { providers: [{ name: prometheus }] }]`,
    '',
  ],
  [
    'entries without a provider are for those of the entry before',
    `[{ providers: [{ name: second }] }, { overrides: [{ ${count}, disabled: true }] }]`,
    'REQUEST_COUNT off',
  ],
];

for (const [name, entries, settings] of table) test(name, () => assert.equal(said(settingsOf(entries)), settings));

test('without a default provider nothing is counted until one is named', () => {
  assert.equal(said(settingsOf('[]', [])), 'nothing is counted');
  assert.equal(said(settingsOf('[{ providers: [{ name: prometheus }] }]', [])), '');
});

test('the last reporting interval counts, and is never under a second', () => {
  assert.equal(settingsOf('[{}]').reportingIntervalMs, undefined);
  assert.equal(settingsOf('[{ reportingInterval: 10s }, { reportingInterval: 2s }, {}]').reportingIntervalMs, 2_000);
  assert.equal(settingsOf('[{ reportingInterval: 5ms }]').reportingIntervalMs, 1_000);
});
