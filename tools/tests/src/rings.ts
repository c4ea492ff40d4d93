/** The rings of tests: what each runs, and when it cannot run. */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from './child.ts';
import { runClusterRing } from './cluster-ring.ts';
import { runDockerRing } from './docker-ring.ts';
import { failRing, runSerial, skipFiles } from './serial-ring.ts';
import { EMPTY_SUMMARY, mergeSummaries, parseSummary, type TestSummary } from './test-summary.ts';
import { PROJECTS, testFiles } from './test-files.ts';

/** One ring. `run` never rejects for failing tests. */
export interface Ring {
  readonly name: string;
  readonly what: string;
  run(root: string): Promise<TestSummary>;
}

/** All rings in the order in which they run. */
export const RINGS: readonly Ring[] = [
  { name: 'unit', what: 'every project, cached by Nx while its inputs stay the same', run: runUnit },
  { name: 'sanitizer', what: 'the native addon under AddressSanitizer and UBSan', run: runSanitizer },
  { name: 'netns', what: 'real network namespaces, one file after the other', run: runNetns },
  { name: 'interop', what: 'other implementations as peers, where the machine has them', run: runInterop },
  { name: 'cluster', what: 'a real Kubernetes API server without nodes', run: runClusterRing },
  { name: 'docker', what: 'containers on a Docker engine', run: runDockerRing },
];

async function runUnit(root: string): Promise<TestSummary> {
  const folder = join(root, '.cache/tests/unit');
  rmSync(folder, { recursive: true, force: true });
  const code = await runChild('nx', ['run-many', '-t', 'test', '--parallel=2', '--outputStyle=static'], {
    cwd: root,
    env: { NX_DAEMON: 'false', NX_NO_CLOUD: 'true', NX_TUI: 'false', CI: 'true', FORCE_COLOR: '0' },
  });
  const files = globSync('**/*.json', { cwd: folder });
  const summary = mergeSummaries(files.map((file) => parseSummary(readFileSync(join(folder, file), 'utf8'))));
  // A project whose runner crashed leaves no counts; that must not look like success.
  return code !== 0 && summary.failed === 0 ? failRing(summary, `nx ended with exit code ${code}`) : summary;
}

async function runNetns(root: string): Promise<TestSummary> {
  const files = testFiles(root, PROJECTS, 'netns');
  if (process.getuid?.() !== 0)
    return skipFiles(root, files, 'network namespaces need root: run as root (sudo npm test)');
  return runSerial(root, 'netns', files);
}

async function runInterop(root: string): Promise<TestSummary> {
  return runSerial(root, 'interop', testFiles(root, PROJECTS, 'interop'));
}

async function runSanitizer(root: string): Promise<TestSummary> {
  const files = testFiles(root, 'libs/net', 'unit');
  if (process.getuid?.() === 0) files.push(...testFiles(root, 'libs/net', 'netns'));
  const build = join(root, 'libs/net/native/build.sh');
  if (!existsSync(build)) return skipFiles(root, files, 'the addon has no build script');
  const libraries = ['libasan.so', 'libubsan.so'].map(sanitizerLibrary).filter((path) => path !== undefined);
  if (libraries.length < 2)
    return skipFiles(root, files, 'the C compiler has no sanitizer libraries (apt-get install gcc)');
  const code = await runChild('sh', [build, '--sanitize'], { cwd: root });
  if (code !== 0) return failRing(EMPTY_SUMMARY, 'the sanitizer build of the addon failed');
  // Node and V8 do not free everything at exit, so leaks are looked for by counting in the tests instead.
  const env = {
    LD_PRELOAD: libraries.join(' '),
    ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1:handle_segv=0',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  };
  return runSerial(root, 'sanitizer', files, { execArgv: ['--conditions=ambit-sanitize'], env });
}

function sanitizerLibrary(name: string): string | undefined {
  try {
    const path = execFileSync('gcc', [`-print-file-name=${name}`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    // gcc echoes the bare name when it has no such file.
    return path.startsWith('/') ? path.trim() : undefined;
  } catch {
    return undefined;
  }
}
