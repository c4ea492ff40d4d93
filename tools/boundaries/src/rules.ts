/** The boundary rules of the repository. Pure; see the README for the table. */
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path/posix';
import type { ImportSite, Project, Violation } from './project.ts';

const KINDS: Readonly<Record<string, readonly string[]>> = {
  gen: [],
  lib: ['lib', 'gen'],
  app: ['lib', 'gen'],
  tool: ['lib', 'gen', 'tool'],
};

const SCOPES: Readonly<Record<string, readonly string[]>> = {
  shared: ['shared'],
  dataplane: ['shared', 'dataplane'],
  controlplane: ['shared', 'controlplane'],
  identity: ['shared', 'identity'],
  node: ['shared', 'node'],
  tool: ['shared', 'dataplane', 'controlplane', 'identity', 'node', 'tool'],
};

/** Single permissions beside the scope table: the node agent, the lab and the CA read Kubernetes resources. */
const SCOPE_EXCEPTIONS: Readonly<Record<string, readonly string[]>> = {
  node: ['@ambit/kube'],
  identity: ['@ambit/kube'],
};

const TESTING = '@ambit/testing';

/** Rules on the edges between projects. */
export function checkProjects(projects: readonly Project[]): Violation[] {
  const byName = new Map(projects.map((project) => [project.name, project]));
  const violations: Violation[] = [];
  for (const project of projects) {
    const place = join(project.root, 'package.json');
    if (!(project.kind in KINDS) || !(project.scope in SCOPES) || !Number.isInteger(project.layer)) {
      violations.push({ rule: 'tags', place, message: 'nx.tags must hold a known type:, a known scope: and a layer:' });
      continue;
    }
    for (const name of project.edges) {
      const target = byName.get(name);
      if (target !== undefined && target.name !== TESTING) violations.push(...checkEdge(project, target, place));
    }
  }
  return [...violations, ...findCycles(projects)];
}

function checkEdge(project: Project, target: Project, place: string): Violation[] {
  const violations: Violation[] = [];
  const edge = `${project.name} -> ${target.name}`;
  if (!(KINDS[project.kind] ?? []).includes(target.kind)) {
    violations.push({ rule: 'kind', place, message: `${edge}: type:${project.kind} may not use type:${target.kind}` });
  }
  const isException = (SCOPE_EXCEPTIONS[project.scope] ?? []).includes(target.name);
  if (!(SCOPES[project.scope] ?? []).includes(target.scope) && !isException) {
    violations.push({
      rule: 'scope',
      place,
      message: `${edge}: scope:${project.scope} may not use scope:${target.scope}`,
    });
  }
  if (target.layer > project.layer) {
    violations.push({
      rule: 'layer',
      place,
      message: `${edge}: layer ${project.layer} may not use layer ${target.layer}`,
    });
  }
  return violations;
}

/** Rules on what source files import. */
export function checkImports(projects: readonly Project[], sites: readonly ImportSite[]): Violation[] {
  const byName = new Map(projects.map((project) => [project.name, project]));
  return sites.flatMap((site) => {
    const project = byName.get(site.project);
    return project === undefined ? [] : checkImport(project, site);
  });
}

function checkImport(project: Project, site: ImportSite): Violation[] {
  const { specifier, file } = site;
  const place = `${file}:${site.line}`;
  if (specifier.startsWith('.')) {
    const target = join(dirname(file), specifier);
    if (target.startsWith(`${project.root}/`)) return [];
    return [{ rule: 'exports', place, message: `${specifier} leaves the project: import the other one by its name` }];
  }
  if (isBuiltin(specifier)) return [];
  const name = packageOf(specifier);
  if (name.startsWith('@ambit/') && specifier !== name) {
    return [{ rule: 'exports', place, message: `${specifier} bypasses the exports of ${name}: import "${name}"` }];
  }
  if (name === project.name) {
    return [{ rule: 'exports', place, message: `${name} imports itself by name: use a relative path` }];
  }
  const isTest = isTestSource(file) || project.name === TESTING;
  if (name === TESTING && !isTest && project.kind !== 'tool') {
    return [{ rule: 'testing', place, message: `${TESTING} is for tests only` }];
  }
  if (project.dependencies.has(name)) return [];
  const isDevelopment = isTest || project.kind === 'tool';
  if (isDevelopment && project.devDependencies.has(name)) return [];
  const group = isTest ? 'devDependencies' : 'dependencies';
  return [{ rule: 'undeclared', place, message: `${name} is not in ${group} of ${project.root}/package.json` }];
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Tests and benchmarks, and what only they use. */
function isTestSource(file: string): boolean {
  return file.endsWith('.test.ts') || /\/(?:test-support|testing|bench)\//.test(file);
}

function findCycles(projects: readonly Project[]): Violation[] {
  const byName = new Map(projects.map((project) => [project.name, project]));
  const finished = new Set<string>();
  const violations: Violation[] = [];
  const visit = (project: Project, path: readonly string[]): void => {
    const start = path.indexOf(project.name);
    if (start >= 0) {
      const cycle = [...path.slice(start), project.name].join(' -> ');
      violations.push({ rule: 'cycle', place: join(project.root, 'package.json'), message: cycle });
      return;
    }
    if (finished.has(project.name)) return;
    for (const name of project.edges) {
      const target = byName.get(name);
      // Libraries are tested with `testing`, which uses libraries; that circle is only in tests.
      if (target !== undefined && target.name !== TESTING) visit(target, [...path, project.name]);
    }
    finished.add(project.name);
  };
  for (const project of projects) visit(project, []);
  return violations;
}
