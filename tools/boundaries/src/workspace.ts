/** Reads the workspace: projects, tags and edges from `nx graph`, declared packages from manifests, imports from sources. */
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempDisposableSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSync } from 'oxc-parser';
import type { Page } from './page-references.ts';
import type { ImportSite, Project } from './project.ts';

/** The part of Nx's graph file used here. */
interface GraphFile {
  readonly graph: {
    readonly nodes: Readonly<
      Record<string, { readonly data: { readonly root: string; readonly tags?: readonly string[] } }>
    >;
    readonly dependencies: Readonly<Record<string, readonly { readonly target: string }[]>>;
  };
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** All projects but the root. @throws Error when Nx cannot make the graph, or makes one without edges */
export function readProjects(root: string): Project[] {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-graph-'));
  const file = join(folder.path, 'graph.json');
  execFileSync('nx', ['graph', `--file=${file}`], {
    cwd: root,
    env: { ...process.env, NX_DAEMON: 'false', NX_NO_CLOUD: 'true' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  // Written by the pinned Nx a moment ago.
  const { graph } = JSON.parse(readFileSync(file, 'utf8')) as GraphFile;
  const projects = Object.entries(graph.nodes)
    .filter(([, node]) => node.data.root !== '.')
    .map(([name, node]) => {
      const edges = (graph.dependencies[name] ?? []).map((edge) => edge.target);
      return toProject(root, name, node.data.root, node.data.tags ?? [], edges);
    });
  // Nx has given a graph without edges before, silently, which would make every rule pass.
  if (projects.every((project) => project.edges.length === 0)) throw new Error('nx graph has no edges');
  return projects;
}

function toProject(
  root: string,
  name: string,
  folder: string,
  tags: readonly string[],
  edges: readonly string[],
): Project {
  const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;
  const tag = (prefix: string): string =>
    tags.find((one) => one.startsWith(`${prefix}:`))?.slice(prefix.length + 1) ?? '';
  return {
    name,
    root: folder,
    kind: tag('type'),
    scope: tag('scope'),
    layer: tag('layer') === '' ? Number.NaN : Number(tag('layer')),
    edges: edges.filter((edge) => edge.startsWith('@ambit/')),
    dependencies: new Set(Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })),
    devDependencies: new Set(Object.keys(manifest.devDependencies ?? {})),
  };
}

/** Every import of every source file, type imports and dynamic ones with a constant name included. */
export function readImports(root: string, projects: readonly Project[]): ImportSite[] {
  return projects.flatMap((project) =>
    globSync(`${project.root}/!(dist|node_modules)/**/*.ts`, { cwd: root }).flatMap((file) =>
      importsOf(readFileSync(join(root, file), 'utf8'), file).map(({ specifier, line }) => ({
        project: project.name,
        file,
        line,
        specifier,
      })),
    ),
  );
}

/** The modules that a source text names. @throws Error when it does not parse */
export function importsOf(source: string, file: string): { readonly specifier: string; readonly line: number }[] {
  const { module, errors } = parseSync(file, source);
  if (errors.length > 0) throw new Error(`${file} does not parse: ${errors[0]?.message ?? ''}`);
  const found: { readonly specifier: string; readonly start: number }[] = [];
  for (const { moduleRequest } of module.staticImports) {
    found.push({ specifier: moduleRequest.value, start: moduleRequest.start });
  }
  for (const { entries } of module.staticExports) {
    for (const { moduleRequest } of entries) {
      if (moduleRequest !== null && moduleRequest !== undefined) {
        found.push({ specifier: moduleRequest.value, start: moduleRequest.start });
      }
    }
  }
  for (const { moduleRequest } of module.dynamicImports) {
    const constant = /^(['"])([^'"\\]+)\1$/.exec(source.slice(moduleRequest.start, moduleRequest.end))?.[2];
    if (constant !== undefined) found.push({ specifier: constant, start: moduleRequest.start });
  }
  return found.map(({ specifier, start }) => ({ specifier, line: source.slice(0, start).split('\n').length }));
}

/** All Markdown files but those of dependencies and of builds. */
export function readPages(root: string): Page[] {
  const folders = ['apps', 'libs', 'tools', 'charts', 'docs', 'changes'];
  return globSync(['*.md', ...folders.map((folder) => `${folder}/**/*.md`)], {
    cwd: root,
    exclude: (path) => /(?:^|\/)(?:node_modules|dist|build|\.cache)(?:\/|$)/.test(path),
  })
    .toSorted()
    .map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }));
}
