/** Runs the Go tools with caches of our own, and shows that they are alive. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { runCommand } from '@ambit/runtime';
import { KubeLabError } from '../kube-lab-error.ts';
import type { LabSettings } from '../lab-settings.ts';
import { secondsSince, type Progress } from '../progress.ts';

const REPORT_EVERY_MS = 20_000;
const BUILD_TIMEOUT_MS = 2_400_000;
const KEPT_LINES = 15;
/** Older ones do not fetch the Go that a module asks for. */
const OLDEST_MINOR = 21;

export class GoToolchain {
  readonly #env: NodeJS.ProcessEnv;

  constructor({ goBuildCache, goModuleCache, searchPath }: LabSettings, programs: string) {
    this.#env = {
      ...process.env,
      PATH: searchPath,
      // Static programs run in any image and on any node.
      CGO_ENABLED: '0',
      // A cache of read-only folders could not be removed by rm.
      GOFLAGS: '-buildvcs=false -modcacherw',
      GOWORK: 'off',
      GOBIN: programs,
      GOCACHE: goBuildCache,
      GOMODCACHE: goModuleCache,
      GOTOOLCHAIN: process.env['GOTOOLCHAIN'] ?? 'auto',
    };
  }

  /** @throws KubeLabError `TOOL_MISSING` without a Go that can build all this. */
  async check(): Promise<string> {
    const version = await goVersion(this.#env['PATH'] ?? '');
    if (version !== undefined) return version;
    throw new KubeLabError(
      'TOOL_MISSING',
      `Go 1.${OLDEST_MINOR} or newer is needed to build Kubernetes; install it from go.dev/dl and put it on the PATH`,
    );
  }

  /** Runs `go` to its end. @throws KubeLabError `BUILD_FAILED` with its last lines. */
  async run(what: string, args: readonly string[], cwd: string, progress: Progress): Promise<void> {
    await this.check();
    const child = spawn('go', args, {
      cwd,
      env: this.#env,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: BUILD_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    const startMs = performance.now();
    const count = { downloads: 0, packages: 0 };
    const last: string[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.startsWith('go: downloading')) count.downloads += 1;
      // `-v` prints the path of each package that is compiled, and nothing of one in the cache.
      else if (/^[\w.~/-]+$/.test(line)) count.packages += 1;
      else last.push(line);
      if (last.length > KEPT_LINES) last.shift();
    });
    const report = setInterval(
      () =>
        progress(
          `${what}: ${count.downloads} modules, ${count.packages} packages compiled after ${secondsSince(startMs)}`,
        ),
      REPORT_EVERY_MS,
    );
    const stop = (): void => void child.kill('SIGTERM');
    process.on('SIGINT', stop).on('SIGTERM', stop);
    try {
      const code = await new Promise<number>((resolve, reject) => {
        child.on('error', (cause) =>
          reject(new KubeLabError('TOOL_MISSING', `cannot run go: ${cause.message}`, cause)),
        );
        child.on('close', (value) => resolve(value ?? -1));
      });
      if (code !== 0)
        throw new KubeLabError('BUILD_FAILED', `go ${args.join(' ')} ended with code ${code}:\n${last.join('\n')}`);
    } finally {
      clearInterval(report);
      process.off('SIGINT', stop).off('SIGTERM', stop);
    }
  }
}

/** `go1.26.8`, or undefined when there is none or an old one. */
export async function goVersion(searchPath: string): Promise<string | undefined> {
  try {
    const { code, stdout } = await runCommand(['go', 'env', 'GOVERSION'], {
      env: { PATH: searchPath, GOTOOLCHAIN: 'local' },
    });
    const minor = /^go1\.(\d+)/.exec(stdout)?.[1];
    return code === 0 && minor !== undefined && Number(minor) >= OLDEST_MINOR ? stdout.trim() : undefined;
  } catch {
    return undefined;
  }
}
