import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseConfig, hasPlugin, withoutPlugin, withPlugin, type ConfigFile } from './network-config.ts';

const settings = { runDir: '/var/run/ambit-cni', podNamespace: 'ambit-system', excludeNamespaces: ['kube-system'] };
/** Hand-written layout, which has to come back as it was. */
const LIST: ConfigFile = {
  name: '10-flannel.conflist',
  text: '{ "name":"cbr0","cniVersion":"1.0.0",\n\t"plugins":[ {"type":"flannel"},{"type":"portmap"} ] }',
};
const SINGLE: ConfigFile = { name: '10-bridge.conf', text: '{"cniVersion":"0.4.0","name":"net","type":"bridge"}' };

function written(change: ReturnType<typeof withPlugin>): ConfigFile {
  assert.ok(change.kind === 'write', change.kind);
  return change.file;
}

function types(file: ConfigFile): readonly string[] {
  const config = JSON.parse(file.text) as { readonly plugins: readonly { readonly type: string }[] };
  return config.plugins.map(({ type }) => type);
}

test('our entry goes last into a list, once, and everything else stays', () => {
  const file = written(withPlugin(LIST, settings));
  assert.deepEqual(types(file), ['flannel', 'portmap', 'ambit-cni']);
  const config = JSON.parse(file.text) as Readonly<Record<string, unknown>> & { readonly plugins: readonly unknown[] };
  assert.deepEqual([config['name'], config['cniVersion']], ['cbr0', '1.0.0']);
  assert.deepEqual(config.plugins[2], {
    type: 'ambit-cni',
    name: 'ambit-cni',
    cni_agent_run_dir: '/var/run/ambit-cni',
    pod_namespace: 'ambit-system',
    exclude_namespaces: ['kube-system'],
    ambit_original: LIST,
  });
  assert.equal(withPlugin(file, settings).kind, 'unchanged');
});

test('taking it out leaves the file byte for byte as it was, also after our settings changed', () => {
  const once = written(withPlugin(LIST, settings));
  const twice = written(withPlugin(once, { ...settings, excludeNamespaces: [] }));
  assert.deepEqual(withoutPlugin(twice), { kind: 'write', file: LIST, remove: undefined });
  assert.equal(withoutPlugin(LIST).kind, 'unchanged');
});

test('a single plugin becomes a list, and comes back as its own file', () => {
  const change = withPlugin(SINGLE, settings);
  const file = written(change);
  assert.ok(change.kind === 'write' && change.remove === SINGLE.name);
  assert.equal(file.name, '10-bridge.conflist');
  assert.deepEqual(types(file), ['bridge', 'ambit-cni']);
  assert.match(file.text, /"name": "k8s-pod-network",\n {2}"cniVersion": "0.3.1"/);
  assert.equal(withPlugin(file, settings).kind, 'unchanged');
  assert.deepEqual(withoutPlugin(file), { kind: 'write', file: SINGLE, remove: file.name });
});

test('what others changed while we were in is kept when we leave', () => {
  const file = written(withPlugin(LIST, settings));
  const config = JSON.parse(file.text) as { plugins: { type: string }[] };
  config.plugins.splice(1, 1, { type: 'bandwidth' });
  const edited = { name: file.name, text: JSON.stringify(config) };
  assert.deepEqual(types(written(withoutPlugin(edited))), ['flannel', 'bandwidth']);
  const healed = written(
    withPlugin({ ...edited, text: JSON.stringify({ ...config, plugins: [...config.plugins].reverse() }) }, settings),
  );
  assert.deepEqual(types(healed), ['bandwidth', 'flannel', 'ambit-cni']);
  assert.deepEqual(types(written(withoutPlugin(healed))), ['bandwidth', 'flannel']);
});

test('the runtime takes the first file that can be read, or the named one with either extension', () => {
  const broken = { name: '00-broken.conflist', text: '{' };
  const empty = { name: '01-empty.conflist', text: '{"name":"x","plugins":[]}' };
  const other = { name: 'README.txt', text: '{"type":"a"}' };
  assert.equal(chooseConfig([LIST, SINGLE, broken, empty, other], '')?.name, SINGLE.name);
  assert.equal(chooseConfig([LIST, SINGLE], '10-flannel.conflist')?.name, LIST.name);
  assert.equal(chooseConfig([LIST, SINGLE], '10-bridge.conflist')?.name, SINGLE.name);
  assert.equal(chooseConfig([LIST], '10-flannel.conf')?.name, LIST.name);
  assert.equal(chooseConfig([broken, other], ''), undefined);
});

test('what makes no sense is refused with the name of the file', () => {
  for (const text of ['', '[]', '{"plugins":[]}', '{"plugins":[1]}', '{"plugins":[{}]}']) {
    const change = withPlugin({ name: 'x.conflist', text }, settings);
    assert.ok(change.kind === 'invalid' && change.reason.includes('x.conflist'), text);
    assert.ok(!hasPlugin({ name: 'x.conflist', text }));
  }
});

test('an original that names another folder is not written', () => {
  const file = written(withPlugin(LIST, settings));
  const evil = {
    name: file.name,
    text: file.text.replace('"name": "10-flannel.conflist"', '"name": "../../x.conflist"'),
  };
  assert.equal(written(withoutPlugin(evil)).name, LIST.name);
});
