import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { FolderSource } from './folder-source.ts';
import { formatReport } from './report.ts';
import { resourceKey } from './resource.ts';
import { removePodStatus, writePodStatus } from './status-writer.ts';

let root = '';
let manifests = '';
let status = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ambit-kube-'));
  manifests = join(root, 'manifests');
  status = join(root, 'status');
  mkdirSync(manifests);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(name: string, text: string): void {
  writeFileSync(join(manifests, name), text);
}

function open(): FolderSource {
  return new FolderSource({ manifestDirs: [manifests], statusDirs: [status], debounceMs: 10, rescanMs: 50 });
}

function reportsOf(source: FolderSource): string[] {
  return source.reports().map((report) => formatReport(report).replaceAll(`${root}/`, ''));
}

const pod = (name: string, extra = ''): string =>
  `apiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}\n  namespace: shop\n${extra}spec:\n  serviceAccountName: ${name}\n`;

async function nextBatch(source: FolderSource, change: () => void): Promise<string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<string[]>();
  const timeout = setTimeout(() => reject(new Error('no event within 5 s')), 5000);
  using _subscription = source.subscribe((events) =>
    resolve(
      events.map((event) => `${event.kind} ${resourceKey(event.kind === 'delete' ? event.previous : event.resource)}`),
    ),
  );
  change();
  return await promise.finally(() => clearTimeout(timeout));
}

test('objects of many documents and files are listed by name', () => {
  write('a.yaml', `${pod('web')}---\n---\n${pod('api')}`);
  write(
    'b.yml',
    'apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }\n',
  );
  using source = open();
  assert.deepEqual(
    source.list('Pod').map((found) => found.metadata.name),
    ['api', 'web'],
  );
  assert.equal(source.list('Namespace')[0]?.metadata.labels['istio.io/dataplane-mode'], 'ambient');
  assert.deepEqual(reportsOf(source), []);
});

test('items of a List are objects of their own, with their own line', () => {
  write(
    'list.yaml',
    'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: a}\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: b}\n',
  );
  using source = open();
  assert.deepEqual(
    source.list('Namespace').map((found) => [found.metadata.name, found.origin.line]),
    [
      ['a', 4],
      ['b', 7],
    ],
  );
});

test('several writers of status are laid over one manifest', () => {
  write('pod.yaml', pod('web'));
  writePodStatus(status, 'shop', 'web', 'kubelet', {
    uid: 'u1',
    nodeName: 'node1',
    podIPs: ['10.0.0.1', 'fd00::1'],
    phase: 'Running',
    isReady: true,
    annotations: { 'ambit.dev/netns': '/run/x' },
  });
  writePodStatus(status, 'shop', 'web', 'cni', { annotations: { 'ambient.istio.io/redirection': 'enabled' } });
  using source = open();
  const [found] = source.list('Pod');
  assert.equal(found?.metadata.uid, 'u1');
  assert.equal(found.spec.nodeName, 'node1');
  assert.equal(found.spec.serviceAccountName, 'web');
  assert.deepEqual(found.status, { phase: 'Running', podIPs: ['10.0.0.1', 'fd00::1'], isReady: true });
  assert.deepEqual(found.metadata.annotations, {
    'ambit.dev/netns': '/run/x',
    'ambient.istio.io/redirection': 'enabled',
  });
  removePodStatus(status, 'shop', 'web', 'cni');
  source.refresh();
  assert.equal(source.list('Pod')[0]?.metadata.annotations['ambient.istio.io/redirection'], undefined);
});

test('a change on disk is told as one batch that names only what changed', async () => {
  write('a.yaml', pod('web'));
  write('b.yaml', pod('api'));
  using source = open();
  const batch = await nextBatch(source, () => {
    write('a.yaml', `${pod('web', '  labels: { app: web }\n')}---\n${pod('db')}`);
    rmSync(join(manifests, 'b.yaml'));
  });
  assert.deepEqual(batch.toSorted(), ['add Pod shop/db', 'delete Pod shop/api', 'update Pod shop/web']);
});

test('a folder and sub-folders that appear later are found', async () => {
  using source = open();
  const batch = await nextBatch(source, () => {
    mkdirSync(join(manifests, 'deep/er'), { recursive: true });
    write('deep/er/a.yaml', pod('web'));
  });
  assert.deepEqual(batch, ['add Pod shop/web']);
});

test('a file that is no YAML keeps its last good version in force and says where it is broken', () => {
  write('a.yaml', pod('web'));
  using source = open();
  write('a.yaml', `${pod('web')}---\nkind: [\n`);
  source.refresh();
  assert.equal(source.list('Pod').length, 1);
  assert.match(
    reportsOf(source).join('\n'),
    /^manifests\/a\.yaml:\d+:\d+: error: this is not valid YAML: .*; the last good version of this file stays in force$/,
  );
  write('a.yaml', pod('web'));
  source.refresh();
  assert.deepEqual(reportsOf(source), []);
});

test('an invalid object keeps its last good version while its neighbours move on', () => {
  write('a.yaml', `${pod('web')}---\n${pod('api')}`);
  using source = open();
  write('a.yaml', `${pod('web', '  labels: { version: 1 }\n')}---\n${pod('api', '  labels: { version: "2" }\n')}`);
  source.refresh();
  assert.deepEqual(
    source.list('Pod').map((found) => found.metadata.labels['version']),
    ['2', undefined],
  );
  assert.deepEqual(reportsOf(source), [
    'manifests/a.yaml:6:13: error: metadata.labels.version must be a string; write it in quotes: "1"; the last good version of this object stays in force',
  ]);
});

test('an object nobody can name keeps the whole file at its last good version', () => {
  write('a.yaml', `${pod('web')}---\n${pod('api')}`);
  using source = open();
  write('a.yaml', `${pod('web')}---\napiVersion: v1\nkind: Pod\nmetadata: {}\n`);
  source.refresh();
  assert.equal(source.list('Pod').length, 2);
  assert.match(
    reportsOf(source).join('\n'),
    /^manifests\/a.yaml:11:1: error: this Pod needs metadata.name, a string; the last good version/,
  );
});

test('an invalid status part does not disturb the pod and is reported in its own file', () => {
  write('a.yaml', pod('web'));
  writePodStatus(status, 'shop', 'web', 'kubelet', { podIPs: ['10.0.0.1'] });
  using source = open();
  writePodStatus(status, 'shop', 'web', 'kubelet', { podIPs: ['10.0.0.300'] });
  source.refresh();
  assert.deepEqual(source.list('Pod')[0]?.status.podIPs, ['10.0.0.1']);
  assert.match(
    reportsOf(source).join('\n'),
    /^status\/shop\.web\.kubelet\.yaml:\d+:\d+: error: status\.podIPs holds "10\.0\.0\.300"/,
  );
});

test('unknown kinds and fields are ignored with the nearest known name', () => {
  write(
    'a.yaml',
    `${pod('web').replace('serviceAccountName', 'serviceAcountName')}---\napiVersion: v1\nkind: Servce\nmetadata: { name: x }\n---\napiVersion: security.istio.io/v2\nkind: PeerAuthentication\nmetadata: { name: x }\n`,
  );
  using source = open();
  assert.deepEqual(reportsOf(source), [
    'manifests/a.yaml:7:3: warning: unknown field spec.serviceAcountName is ignored; did you mean serviceAccountName?',
    'manifests/a.yaml:10:1: warning: kind Servce is not used here and ignored; did you mean Service?',
    'manifests/a.yaml:13:1: warning: kind PeerAuthentication of security.istio.io/v2 is not known and ignored; write apiVersion: security.istio.io/v1',
  ]);
});

test('of two definitions the first counts and the second is reported with both places', () => {
  write('a.yaml', pod('web', '  labels: { from: a }\n'));
  write('b.yaml', pod('web', '  labels: { from: b }\n'));
  using source = open();
  assert.equal(source.list('Pod')[0]?.metadata.labels['from'], 'a');
  assert.match(
    reportsOf(source).join('\n'),
    /^manifests\/b\.yaml:1:1: error: Pod shop\/web is already defined at .*manifests\/a\.yaml:1:1; that one counts, remove or rename this one$/,
  );
});

test('bombs of aliases and of nesting are refused without harm', () => {
  const levels = Array.from(
    { length: 12 },
    (_, level) => `l${level + 1}: &l${level + 1} [${Array(10).fill(`*l${level}`).join(',')}]`,
  );
  write('aliases.yaml', `l0: &l0 x\n${levels.join('\n')}\n`);
  write('nesting.yaml', '['.repeat(20000));
  write('cycle.yaml', '&a [*a]\n');
  write('good.yaml', pod('web'));
  using source = open();
  assert.equal(source.list('Pod').length, 1);
  assert.deepEqual(
    source
      .reports()
      .map((report) => report.code)
      .toSorted(),
    ['unreadable', 'unreadable', 'unreadable'],
  );
});

test('an untouched file gives the same record again', () => {
  write('a.yaml', pod('web'));
  write('b.yaml', pod('api'));
  using source = open();
  const before = source.list('Pod');
  write('b.yaml', pod('api', '  labels: { x: y }\n'));
  source.refresh();
  const after = source.list('Pod');
  assert.equal(after[1], before[1]);
  assert.notEqual(after[0], before[0]);
});
