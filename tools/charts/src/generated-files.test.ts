import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { choicesOf, readChartValues, type ChartValue } from './chart-values.ts';
import { CHART_FOLDERS, INNER_CHARTS, generatedFiles } from './generated-files.ts';
import { valuesSchema } from './values-schema.ts';

const root = join(import.meta.dirname, '../../..');

interface ChartFile {
  readonly version: string;
  readonly appVersion?: string;
  readonly dependencies?: readonly { readonly name: string; readonly version: string }[];
}

interface Definition {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly versions: readonly {
      readonly name: string;
      readonly served: boolean;
      readonly storage: boolean;
      readonly subresources?: { readonly status?: object };
    }[];
  };
}

test('what is generated is what the charts hold (node tools/charts/src/main.ts rewrites)', () => {
  for (const [path, text] of generatedFiles(root)) {
    assert.ok(existsSync(join(root, path)), path);
    assert.equal(readFileSync(join(root, path), 'utf8'), text, path);
  }
});

test('every value says what it means', () => {
  const silent: string[] = [];
  const visit = (values: readonly ChartValue[], prefix: string): void => {
    for (const { name, about, content } of values) {
      if (about === '') silent.push(`${prefix}${name}`);
      // What lies in these is Kubernetes' own.
      if (content.kind === 'record' && !['resources', 'updateStrategy', 'nodeSelector', ...INNER_CHARTS].includes(name))
        visit(content.values, `${prefix}${name}.`);
    }
  };
  for (const folder of CHART_FOLDERS)
    visit(readChartValues(readFileSync(join(root, folder, 'values.yaml'), 'utf8')), `${folder}: `);
  assert.deepEqual(silent, []);
});

test('all charts carry one version, and the umbrella names it', () => {
  const chart = (folder: string): ChartFile => parse(readFileSync(join(root, folder, 'Chart.yaml'), 'utf8'));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const folder of CHART_FOLDERS) {
    assert.equal(chart(folder).version, version, folder);
    if (!folder.endsWith('/nats')) assert.equal(chart(folder).appVersion, version, folder);
  }
  assert.deepEqual(
    chart('charts/ambit').dependencies?.map(({ name, version: wanted }) => [name, wanted]),
    INNER_CHARTS.map((name) => [name, version]),
  );
});

test('no template makes a Secret or a random value', () => {
  for (const path of globSync('charts/**/templates/**', { cwd: root })) {
    if (!/\.(yaml|tpl)$/.test(path)) continue;
    const text = readFileSync(join(root, path), 'utf8');
    assert.doesNotMatch(
      text,
      /kind: Secret\b|genCA|genSelfSigned|genSigned|genPrivateKey|rand(Alpha|Num|Bytes|Ascii)/,
      path,
    );
  }
});

test('each definition serves the versions that Istio serves, all with a status of its own', () => {
  const served: Record<string, string[]> = {};
  for (const path of globSync('charts/ambit-crds/definitions/*.yaml', { cwd: root })) {
    for (const document of parseAllDocuments(readFileSync(join(root, path), 'utf8'))) {
      const { metadata, spec }: Definition = document.toJS();
      served[metadata.name] = spec.versions.map(({ name }) => name);
      assert.equal(spec.versions.filter(({ storage }) => storage).length, 1, metadata.name);
      assert.ok(
        spec.versions.every((version) => version.served && version.subresources?.status !== undefined),
        metadata.name,
      );
    }
  }
  const networking = ['v1', 'v1beta1', 'v1alpha3'];
  const security = ['v1', 'v1beta1'];
  assert.deepEqual(served, {
    'authorizationpolicies.security.istio.io': security,
    'destinationrules.networking.istio.io': networking,
    'peerauthentications.security.istio.io': security,
    'ratelimitpolicies.ambit.dev': ['v1alpha1'],
    'requestauthentications.security.istio.io': security,
    'serviceentries.networking.istio.io': networking,
    'telemetries.telemetry.istio.io': ['v1alpha1', 'v1'],
    'virtualservices.networking.istio.io': networking,
    'workloadentries.networking.istio.io': networking,
    'workloadgroups.networking.istio.io': networking,
  });
});

test('a schema follows from a value, its kind and the choices in its comment', () => {
  const values = readChartValues(
    '# Mode. One of: "", nft, legacy.\nmode: ""\n# Size.\nreplicas: 2\n# Sub.\nsub:\n  # Flag.\n  on: true\n# Any.\nenv: {}\n',
  );
  assert.deepEqual(choicesOf('One of: "", nft, legacy.'), ['', 'nft', 'legacy']);
  const { properties }: { readonly properties: Readonly<Record<string, { readonly type: string }>> } = JSON.parse(
    JSON.stringify(valuesSchema(values, { title: 'x', global: [], charts: [] })),
  );
  assert.deepEqual(properties['mode'], {
    description: 'Mode. One of: "", nft, legacy.',
    type: 'string',
    enum: ['', 'nft', 'legacy'],
  });
  assert.equal(properties['replicas']?.type, 'integer');
  assert.deepEqual(properties['sub'], {
    description: 'Sub.',
    type: 'object',
    additionalProperties: false,
    properties: { on: { description: 'Flag.', type: 'boolean' } },
  });
});
