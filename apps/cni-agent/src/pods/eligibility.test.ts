import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '@ambit/kube';
import { captureOptions, isEligible, redirectionOf } from './eligibility.ts';
import { DEFAULT_SELECTORS, parseEnablementSelectors } from './enablement-selector.ts';

const rules = { selectors: DEFAULT_SELECTORS, excludeNamespaces: ['kube-system'] };
const ambient = { 'istio.io/dataplane-mode': 'ambient' };

interface PodShape {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly namespace?: string;
  readonly hostNetwork?: boolean;
}

function pod({ labels = {}, annotations = {}, namespace = 'shop', hostNetwork = false }: PodShape): Pod {
  return {
    kind: 'Pod',
    origin: { file: 'x', line: 1, column: 1 },
    metadata: {
      name: 'p',
      namespace,
      labels,
      annotations,
      uid: 'u',
      creationTimestamp: undefined,
      deletionTimestamp: undefined,
      generateName: undefined,
      ownerReferences: [],
    },
    spec: { nodeName: 'n', serviceAccountName: 'default', hostNetwork, containers: [], initContainers: [] },
    status: { phase: 'Running', podIPs: [], isReady: true },
  };
}

for (const [name, shape, namespaceLabels, expected] of [
  ['no label anywhere', {}, {}, false],
  ['the namespace is ambient', {}, ambient, true],
  ['the pod is ambient', { labels: ambient }, {}, true],
  ['the pod opts out', { labels: { 'istio.io/dataplane-mode': 'none' } }, ambient, false],
  ['host network', { hostNetwork: true }, ambient, false],
  ['an injected sidecar', { annotations: { 'sidecar.istio.io/status': '{}' } }, ambient, false],
  ['an excluded namespace', { namespace: 'kube-system' }, ambient, false],
] as const satisfies readonly (readonly [string, PodShape, Readonly<Record<string, string>>, boolean])[]) {
  test(`${name}: ${expected ? 'in the mesh' : 'not in the mesh'}`, () => {
    assert.equal(isEligible(pod(shape), namespaceLabels, rules), expected);
  });
}

test('selectors are read from YAML and replace the default', async () => {
  const selectors = await parseEnablementSelectors(
    '- podSelector:\n    matchExpressions:\n    - {key: tier, operator: In, values: [gold]}\n',
  );
  const own = { selectors, excludeNamespaces: [] };
  assert.ok(isEligible(pod({ labels: { tier: 'gold' } }), {}, own));
  assert.ok(!isEligible(pod({ labels: { tier: 'iron' } }), ambient, own));
  await assert.rejects(parseEnablementSelectors('- podSelectr: {}'), {
    code: 'BAD_SELECTOR',
    message: /podSelectr is not known/,
  });
  await assert.rejects(parseEnablementSelectors('- podSelector: {matchExpressions: [{key: a, operator: Is}]}'), {
    message: /operator must be one of/,
  });
});

test('annotations choose what is captured; what cannot be read counts as not set', () => {
  assert.deepEqual(captureOptions(pod({}), true), { ingressMode: false, dnsCapture: true, virtualInterfaces: [] });
  const annotations = {
    'ambient.istio.io/bypass-inbound-capture': 'true',
    'ambient.istio.io/dns-capture': 'false',
    'istio.io/reroute-virtual-interfaces': 'tap0, k6t-1, bad name, ',
  };
  assert.deepEqual(captureOptions(pod({ annotations }), true), {
    ingressMode: true,
    dnsCapture: false,
    virtualInterfaces: ['tap0', 'k6t-1'],
  });
  assert.equal(
    captureOptions(pod({ annotations: { 'ambient.istio.io/dns-capture': 'maybe' } }), false).dnsCapture,
    false,
  );
  assert.equal(redirectionOf(pod({ annotations: { 'ambient.istio.io/redirection': 'disabled' } })), undefined);
});
