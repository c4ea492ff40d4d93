import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertGolden } from '@ambit/testing';
import { parseAllDocuments, parseDocument } from 'yaml';
import { CHART_FOLDERS, INNER_CHARTS } from './generated-files.ts';

const root = join(import.meta.dirname, '../../..');
const goldens = join(import.meta.dirname, '../testdata');
const kubeconfig = process.env['AMBIT_TEST_KUBECONFIG'];

function onPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, program)));
}

const noHelm = onPath('helm') ? false : 'there is no helm on the PATH: npm run kube-lab -- build helm';
const noCluster = kubeconfig === undefined ? 'AMBIT_TEST_KUBECONFIG is not set' : noHelm;

function helm(...args: readonly string[]): string {
  return execFileSync('helm', args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 26,
  });
}

function template(...args: readonly string[]): string {
  return helm('template', 'ambit', 'charts/ambit', '--namespace', 'ambit-system', '--kube-version', '1.36.0', ...args);
}

/** Name of the golden to what is given to Helm. */
const CASES: Readonly<Record<string, readonly string[]>> = {
  default: [],
  ha: ['-f', 'charts/ambit/values-ha.yaml'],
  bus: ['--set', 'global.bus.install=true', '--set', 'nats.persistence.enabled=true'],
  'take-over': ['--set', 'control-plane.takeOver=true', '--set', 'global.network=east'],
  'no-webhook': ['--set', 'control-plane.webhook.enabled=false'],
  revocation: ['--set', 'ztunnel.peerCaCrl.enabled=true'],
  gke: ['-f', 'charts/ambit/profiles/gke.yaml'],
  k3s: ['-f', 'charts/ambit/profiles/k3s.yaml'],
  openshift: ['-f', 'charts/ambit/profiles/openshift.yaml'],
};

for (const [name, args] of Object.entries(CASES)) {
  test(`rendering "${name}" gives the golden (AMBIT_REWRITE_GOLDEN=1 rewrites)`, { skip: noHelm }, () => {
    const path = join(goldens, `${name}.yaml`);
    const rendered = template(...args);
    // All but the default case hold only what differs from it.
    const text = name === 'default' ? rendered : difference(template(), rendered);
    assertGolden(path, text);
  });
}

/** Objects of `rendered` that `base` has not, or has otherwise. */
function difference(base: string, rendered: string): string {
  const known = new Set(base.split(/^---\n/m));
  return rendered
    .split(/^---\n/m)
    .filter((part) => !known.has(part))
    .map((part) => `---\n${part}`)
    .join('');
}

test('every chart passes the linter, and renders alone', { skip: noHelm }, () => {
  for (const folder of CHART_FOLDERS) {
    assert.match(helm('lint', '--strict', folder), /0 chart\(s\) failed/);
    assert.match(helm('template', 'alone', folder, '--kube-version', '1.36.0'), /^kind: /m);
  }
});

test(
  'a misspelt value, a wrong type and an unknown choice are refused before anything is rendered',
  { skip: noHelm },
  () => {
    const refused = (setting: string, reason: RegExp): void => {
      assert.throws(
        () => template('--set', setting),
        (cause: { readonly stderr: string }) => reason.test(cause.stderr),
      );
    };
    refused('ca.replcas=2', /additional properties 'replcas' not allowed/);
    refused('ca.replicas=two', /got string, want integer/);
    refused('global.imagePullPolicy=Sometimes', /value must be one of 'Always'/);
    refused('ztunel.enabled=false', /additional properties 'ztunel' not allowed/);
  },
);

test('pods are as restricted as their work permits', { skip: noHelm }, () => {
  const added: Record<string, string[]> = {};
  for (const document of parseAllDocuments(template('--set', 'global.bus.install=true'))) {
    const object = document.toJS();
    const pod = object?.kind === 'Pod' ? object : object?.spec?.template;
    if (pod?.spec?.containers === undefined) continue;
    const name = object.metadata.name;
    assert.equal(pod.spec.enableServiceLinks, false, `${name}: variables of Services look like misspelt settings`);
    assert.notEqual(pod.spec.hostNetwork, true, name);
    assert.notEqual(pod.spec.hostPID, true, name);
    for (const container of pod.spec.containers) {
      const context = { ...pod.spec.securityContext, ...container.securityContext };
      assert.equal(context.readOnlyRootFilesystem, true, name);
      assert.notEqual(context.privileged, true, name);
      assert.deepEqual(context.capabilities.drop, ['ALL'], name);
      assert.equal(context.seccompProfile.type, 'RuntimeDefault', name);
      if (context.capabilities.add === undefined) {
        assert.equal(context.runAsNonRoot, true, name);
        assert.equal(context.allowPrivilegeEscalation, false, name);
      } else added[name] = context.capabilities.add;
    }
  }
  assert.deepEqual(added, {
    'ambit-cni-agent': ['NET_ADMIN', 'NET_RAW', 'SYS_ADMIN', 'SYS_PTRACE', 'DAC_OVERRIDE'],
    ztunnel: ['NET_ADMIN', 'NET_RAW', 'SYS_ADMIN'],
  });
});

test('roles name what may be changed, and no part reads Secrets of other namespaces', { skip: noHelm }, () => {
  for (const document of parseAllDocuments(template())) {
    const { kind, metadata, rules = [] } = document.toJS() ?? {};
    if (kind !== 'ClusterRole') continue;
    for (const rule of rules) {
      assert.ok(!rule.resources.includes('secrets'), `${metadata.name} reads Secrets of all namespaces`);
      assert.ok(!rule.verbs.includes('*') && !rule.apiGroups.includes('*'), metadata.name);
      if (rule.resources.includes('*')) assert.deepEqual(rule.verbs, ['get', 'list', 'watch'], metadata.name);
    }
  }
});

test('the API server accepts every object that is rendered', { skip: noCluster }, () => {
  const all = template(
    '--set',
    'global.bus.install=true',
    '--set',
    'control-plane.takeOver=true',
    '--set',
    'control-plane.autoscaling.enabled=true',
  );
  const namespace = `charts-${process.pid}`;
  const kubectl = (input: string | undefined, ...args: readonly string[]): string =>
    execFileSync('kubectl', ['--kubeconfig', kubeconfig ?? '', ...args], { encoding: 'utf8', input });
  kubectl(undefined, 'create', 'namespace', namespace);
  try {
    // The test's pod needs the namespace's account, which a controller makes that is not here.
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } };
    kubectl(JSON.stringify(account), 'apply', '--server-side', '-f', '-');
    const rendered = all.replaceAll('namespace: ambit-system', `namespace: ${namespace}`);
    const output = kubectl(rendered, 'apply', '--dry-run=server', '--validate=strict', '-f', '-');
    assert.equal(
      output.trimEnd().split('\n').length,
      parseAllDocuments(all).filter((part) => part.contents !== null).length,
    );
  } finally {
    kubectl(undefined, 'delete', 'namespace', namespace, '--wait=false');
  }
});

test(
  'definitions are installed where they are missing, kept, and never taken from somebody else',
  { skip: noCluster },
  () => {
    const kube = ['--kubeconfig', kubeconfig ?? '', '--namespace', 'default'];
    const release = `crds-${process.pid}`;
    const count = (of: string): number =>
      (helm('get', 'manifest', of, ...kube).match(/^kind: CustomResourceDefinition/gm) ?? []).length;
    const all = globSync('charts/ambit-crds/definitions/*.yaml', { cwd: root }).map((file) =>
      String(parseDocument(readFileSync(join(root, file), 'utf8')).getIn(['metadata', 'name'])),
    );
    const missing = (): readonly string[] => {
      const known = execFileSync('kubectl', ['--kubeconfig', kubeconfig ?? '', 'get', 'crds', '-o', 'name'], {
        encoding: 'utf8',
      });
      return all.filter((name) => !known.includes(`/${name}\n`));
    };
    // Other tests of the ring may have brought some: those are somebody else's.
    const before = missing();
    helm('install', release, 'charts/ambit-crds', ...kube);
    try {
      assert.equal(count(release), before.length);
      helm('upgrade', release, 'charts/ambit-crds', ...kube);
      assert.equal(count(release), before.length, 'an upgrade goes on owning them');
      helm('install', `${release}-b`, 'charts/ambit-crds', ...kube);
      assert.equal(count(`${release}-b`), 0, 'a second release leaves them alone');
      helm('uninstall', `${release}-b`, ...kube);
    } finally {
      helm('uninstall', release, ...kube);
    }
    assert.deepEqual(missing(), []);
  },
);

test('every part of the umbrella can be left out', { skip: noHelm }, () => {
  for (const part of INNER_CHARTS.filter((chart) => chart !== 'nats')) {
    assert.doesNotMatch(template('--set', `${part}.enabled=false`), new RegExp(`# Source: ambit/charts/${part}/`));
  }
});
