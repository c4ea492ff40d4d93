/**
 * Bundles one app: `apps/NAME/dist/main.mjs`, one more file per worker entry, source maps, and `io.node` beside them.
 * The result is kept while sources, lock file and addon stay the same.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { rolldown, type Plugin } from 'rolldown';
import { takeBuiltinsAtRunTime } from './builtin-imports.ts';
import { projectClosure, sourcesKey } from './workspace-sources.ts';
import { rewriteWorkerUrls, type WorkerEntry } from './worker-entries.ts';

/** What happened to one app. */
export type BundleOutcome =
  | { readonly kind: 'absent' }
  | { readonly kind: 'cached'; readonly folder: string }
  | { readonly kind: 'built'; readonly folder: string; readonly files: readonly string[] };

/** Where the addon of this machine lies, relative to the root. */
export function addonPath(): string {
  const arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const libc = existsSync('/lib64/ld-linux-x86-64.so.2') || existsSync('/lib/ld-linux-aarch64.so.1') ? 'gnu' : 'musl';
  return join('libs/net/native/build', `${libc}-${arch}`, 'io.node');
}

/** @throws Error of rolldown when a module does not resolve or parse */
export async function bundleApp(root: string, app: string, isForced: boolean): Promise<BundleOutcome> {
  const project = join('apps', app);
  const main = join(root, project, 'src/main.ts');
  if (!existsSync(main)) return { kind: 'absent' };
  const addon = addonPath();
  const own = ['bundle-app.ts', 'builtin-imports.ts', 'worker-entries.ts'].map((name) =>
    join('tools/bundle/src', name),
  );
  const key = sourcesKey(root, projectClosure(root, project), ['package-lock.json', addon, ...own]);
  const folder = join(root, project, 'dist');
  const keyFile = join(folder, 'key');
  if (!isForced && existsSync(keyFile) && readFileSync(keyFile, 'utf8') === key) {
    // The time of the key says when the bundle was last right; the lab compares it with the sources.
    const now = new Date();
    utimesSync(keyFile, now, now);
    return { kind: 'cached', folder };
  }

  const staging = `${folder}.${process.pid}`;
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  try {
    const files = await bundleEntries(main, staging);
    if (existsSync(join(root, addon))) {
      copyFileSync(join(root, addon), join(staging, 'io.node'));
      files.push('io.node');
    }
    writeFileSync(join(staging, 'key'), key);
    rmSync(folder, { recursive: true, force: true });
    renameSync(staging, folder);
    return { kind: 'built', folder, files };
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/**
 * Bundles the main file, then each worker found on the way. What one of them imports at run time only becomes a file beside it:
 * V8 keeps the text of a script and an outline of each function, and a program that does not use it pays for neither.
 */
async function bundleEntries(main: string, folder: string): Promise<string[]> {
  const open: WorkerEntry[] = [{ source: main, bundle: 'main.mjs' }];
  const done = new Map<string, string>();
  const parts: string[] = [];
  for (let entry = open.pop(); entry !== undefined; entry = open.pop()) {
    const { source, bundle } = entry;
    const known = done.get(bundle);
    if (known === source) continue;
    if (known !== undefined) throw new Error(`${known} and ${source} would both become ${bundle}: rename one`);
    done.set(bundle, source);
    const { files, workers } = await bundleEntry(source, folder, bundle);
    parts.push(...files);
    open.push(...workers);
  }
  return [...done.keys(), ...parts];
}

/** Escapes what is left beyond ASCII; in a bundle without comments that can only stand in strings, templates and patterns. */
function asciiOnly(code: string): string {
  return code.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

interface BundledEntry {
  /** Beside the entry's own file. */
  readonly files: readonly string[];
  readonly workers: readonly WorkerEntry[];
}

async function bundleEntry(source: string, folder: string, bundle: string): Promise<BundledEntry> {
  const workers: WorkerEntry[] = [];
  const findWorkers: Plugin = {
    name: 'ambit-workers',
    transform: (code, path) => {
      if (!path.endsWith('.ts') || !code.includes('new URL(')) return null;
      const rewritten = rewriteWorkerUrls(code, path);
      workers.push(...rewritten.workers);
      return rewritten.workers.length > 0 ? { code: rewritten.code, map: null } : null;
    },
    // Line by line, so that the map stays right.
    renderChunk: (code) => ({ code: takeBuiltinsAtRunTime(code), map: null }),
  };
  const build = await rolldown({
    input: source,
    platform: 'node',
    plugins: [findWorkers],
    // An unresolved import must fail here, not in the lab.
    onLog: (level, log, report) => {
      if (log.code === 'UNRESOLVED_IMPORT') throw new Error(log.message);
      if (level !== 'debug' && level !== 'info' && log.code !== 'EVAL') report(level, log);
    },
  });
  try {
    // Names stay for stack traces and profiles. Comments go: V8 keeps the text of a script as long as it lives, and with
    // one character beyond Latin-1 at two bytes a character (4.3 MiB instead of 1.2 for ztunnel).
    const minify = { compress: false, mangle: false, codegen: { removeWhitespace: true } } as const;
    const { output } = await build.write({
      dir: folder,
      entryFileNames: bundle,
      chunkFileNames: `${basename(bundle, '.mjs')}-[name].mjs`,
      format: 'esm',
      sourcemap: true,
      comments: false,
      minify,
    });
    const chunks = output.filter((part) => part.type === 'chunk');
    for (const { fileName, imports, isEntry } of chunks) {
      // An entry that awaits is not there yet when a part of it is imported, and would wait for itself.
      if (!isEntry && imports.includes(bundle)) throw new Error(`${fileName} imports ${bundle}`);
      const file = join(folder, fileName);
      writeFileSync(file, asciiOnly(readFileSync(file, 'utf8')));
    }
    return { files: chunks.map(({ fileName }) => fileName).filter((name) => name !== bundle), workers };
  } finally {
    await build.close();
  }
}
