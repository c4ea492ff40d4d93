import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImportSite, Project } from './project.ts';
import { checkImports, checkProjects } from './rules.ts';
import { importsOf } from './workspace.ts';

function project(name: string, tags: string, edges: string[] = [], dev: string[] = []): Project {
  const [kind = '', scope = '', layer = ''] = tags.split(' ');
  const folder = kind === 'app' ? 'apps' : kind === 'tool' ? 'tools' : 'libs';
  return {
    name: `@ambit/${name}`,
    root: `${folder}/${name}`,
    kind,
    scope,
    layer: Number(layer),
    edges: edges.map((edge) => `@ambit/${edge}`),
    dependencies: new Set([...edges.map((edge) => `@ambit/${edge}`), 'yaml']),
    devDependencies: new Set(dev),
  };
}

const GOOD: readonly Project[] = [
  project('api', 'gen shared 1'),
  project('net', 'lib shared 1'),
  project('kube', 'lib controlplane 2'),
  project('hbone', 'lib dataplane 3', ['net'], ['@ambit/testing', 'fast-check']),
  project('testing', 'lib shared 4', ['net']),
  project('ztunnel', 'app dataplane 5', ['hbone', 'api', 'net']),
  project('cni-agent', 'app node 5', ['kube', 'net']),
  project('bench', 'tool tool 6', ['kube', 'hbone'], ['@ambit/testing']),
];

/** The good workspace with one project replaced or added. */
function withProject(changed: Project): Project[] {
  return [...GOOD.filter(({ name }) => name !== changed.name), changed];
}

function site(projectName: string, file: string, specifier: string): ImportSite {
  return { project: `@ambit/${projectName}`, file, line: 1, specifier };
}

test('a workspace that follows the rules has no violations', () => {
  assert.deepEqual(checkProjects(GOOD), []);
});

test('each broken edge is found under its rule', () => {
  const cases: [string, Project, string][] = [
    ['an app uses an app', project('ztunnel', 'app dataplane 5', ['cni-agent']), 'kind,scope'],
    ['a library uses an app', project('net', 'lib shared 1', ['ztunnel']), 'kind,scope,layer,cycle'],
    ['generated code uses a library', project('api', 'gen shared 1', ['net']), 'kind'],
    ['something uses a tool', project('ztunnel', 'app dataplane 5', ['bench']), 'kind,scope,layer'],
    ['a lower layer uses a higher one', project('kube', 'lib controlplane 2', ['policy']), 'layer'],
    ['the data plane reads Kubernetes', project('hbone', 'lib dataplane 3', ['kube']), 'scope'],
    ['no tags', project('fresh', '  '), 'tags'],
    ['an unknown scope', project('fresh', 'lib elsewhere 3'), 'tags'],
  ];
  for (const [name, changed, expected] of cases) {
    const workspace = [...withProject(changed), project('policy', 'lib shared 4')];
    const rules = checkProjects(workspace).map(({ rule }) => rule);
    assert.equal([...new Set(rules)].join(), expected, name);
  }
});

test('the node agent may read Kubernetes resources, other control-plane libraries not', () => {
  const workspace = [...GOOD, project('collections', 'lib controlplane 3')];
  const agent = project('cni-agent', 'app node 5', ['kube', 'collections']);
  const violations = checkProjects([...workspace.filter(({ name }) => name !== agent.name), agent]);
  assert.deepEqual(
    violations.map(({ message }) => message),
    ['@ambit/cni-agent -> @ambit/collections: scope:node may not use scope:controlplane'],
  );
});

test('a cycle within a layer is found', () => {
  const violations = checkProjects([project('a', 'lib shared 2', ['b']), project('b', 'lib shared 2', ['a'])]);
  assert.deepEqual(
    violations.map(({ rule, message }) => [rule, message]),
    [['cycle', '@ambit/a -> @ambit/b -> @ambit/a']],
  );
});

test('imports that are declared, built in or inside the project pass', () => {
  const sites = [
    site('hbone', 'libs/hbone/src/index.ts', '@ambit/net'),
    site('hbone', 'libs/hbone/src/index.ts', 'node:fs'),
    site('hbone', 'libs/hbone/src/a/b.ts', '../index.ts'),
    site('hbone', 'libs/hbone/src/index.test.ts', '@ambit/testing'),
    site('hbone', 'libs/hbone/src/test-support/peer.ts', 'fast-check'),
    site('hbone', 'libs/hbone/bench/loopback.ts', '@ambit/testing'),
    site('bench', 'tools/bench/src/main.ts', '@ambit/testing'),
    site('ztunnel', 'apps/ztunnel/src/main.ts', 'yaml'),
  ];
  assert.deepEqual(checkImports(GOOD, sites), []);
});

test('each forbidden import is found under its rule', () => {
  const cases: [ImportSite, string][] = [
    [site('hbone', 'libs/hbone/src/index.ts', '@ambit/api'), 'undeclared'],
    [site('hbone', 'libs/hbone/src/index.ts', 'pino'), 'undeclared'],
    [site('hbone', 'libs/hbone/src/index.ts', 'fast-check'), 'undeclared'],
    [site('hbone', 'libs/hbone/src/index.test.ts', 'pino'), 'undeclared'],
    [site('hbone', 'libs/hbone/src/index.ts', '@ambit/testing'), 'testing'],
    [site('hbone', 'libs/hbone/src/index.ts', '@ambit/net/src/io.ts'), 'exports'],
    [site('hbone', 'libs/hbone/src/index.ts', '../../net/src/io.ts'), 'exports'],
    [site('hbone', 'libs/hbone/src/index.ts', '@ambit/hbone'), 'exports'],
  ];
  for (const [one, rule] of cases) {
    assert.deepEqual(
      checkImports(GOOD, [one]).map((violation) => violation.rule),
      [rule],
      one.specifier,
    );
  }
});

test('static, type, re-exported and constant dynamic imports are seen, text and comments are not', () => {
  const source = [
    "import type { A } from '@ambit/a';",
    "export * from '@ambit/b';",
    "import '@ambit/c';",
    "const d = await import('@ambit/d');",
    "const text = `import '@ambit/e';`; // import '@ambit/f';",
    "export { g } from '@ambit/g';",
    'export const h = 1;',
  ].join('\n');
  assert.deepEqual(
    importsOf(source, 'a.ts')
      .map(({ specifier, line }) => `${specifier} ${line}`)
      .toSorted(),
    ['@ambit/a 1', '@ambit/b 2', '@ambit/c 3', '@ambit/d 4', '@ambit/g 6'],
  );
  assert.throws(() => importsOf('import {', 'broken.ts'), /broken\.ts does not parse/);
});
