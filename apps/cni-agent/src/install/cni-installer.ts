/**
 * Keeps the plugin on its node: the binary in the runtime's folder, our entry in the configuration that the runtime uses.
 * Other network plugins rewrite their file at will; it is put right again, more slowly each time they insist.
 * Spec: data-plane contract 4.1.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Backoff, toAmbitError, watchDirectory, type Clock } from '@ambit/runtime';
import {
  chooseConfig,
  hasPlugin,
  isConfigName,
  PLUGIN_TYPE,
  withoutPlugin,
  withPlugin,
  type ConfigFile,
  type PluginSettings,
} from './network-config.ts';

export interface CniInstallerOptions {
  /** The static binary to install. */
  readonly binary: string;
  /** The runtime's folders, as seen from here. */
  readonly binDir: string;
  readonly confDir: string;
  /** `CNI_CONF_NAME`; empty takes the first file. */
  readonly confName: string;
  readonly settings: PluginSettings;
  readonly clock: Clock;
  readonly onChange: (state: InstallState) => void;
}

/** `installed`: something had to be written; `waiting`: there is no network configuration to be part of yet. */
export type InstallState =
  | { readonly kind: 'installed' | 'intact'; readonly file: string }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'failed'; readonly error: Error };

/** Larger than any sensible configuration; the plugin takes 1 MiB. */
const MAX_CONFIG_BYTES = 256 * 1024;
const DEBOUNCE_MS = 50;
/** Looks even when nothing was noticed. */
const CHECK_MS = 10_000;
/** Who leaves us alone that long is not fighting. */
const PEACE_MS = 60_000;

export class CniInstaller implements Disposable {
  readonly #options: CniInstallerOptions;
  readonly #backoff = new Backoff({ initialMs: 200, maxMs: 30_000 });
  readonly #watches: Disposable[] = [];
  #timer: Disposable | undefined;
  #lastWriteMs: number | undefined;
  #isDisposed = false;

  constructor(options: CniInstallerOptions) {
    this.#options = options;
  }

  /** Installs now and keeps it so until disposed. */
  start(): void {
    const { confDir, binDir } = this.#options;
    for (const path of [confDir, binDir])
      this.#watches.push(watchDirectory(path, { debounceMs: DEBOUNCE_MS, onChange: () => this.#onDrift() }));
    this.#check();
  }

  /** Stops looking; what is installed stays. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#timer?.[Symbol.dispose]();
    for (const watch of this.#watches.splice(0)) watch[Symbol.dispose]();
  }

  /** Takes our entry out of every file and the binary away: the node is as it was. Call after disposing. */
  uninstall(): void {
    const { binDir } = this.#options;
    for (const file of this.#files()) if (hasPlugin(file)) this.#carryOut(withoutPlugin(file), file);
    rmSync(join(binDir, PLUGIN_TYPE), { force: true });
  }

  #onDrift(): void {
    if (this.#isDisposed) return;
    const { clock } = this.#options;
    const sinceMs = this.#lastWriteMs === undefined ? Infinity : clock.nowMs() - this.#lastWriteMs;
    // What we wrote ourselves is noticed too, and found intact.
    if (sinceMs > PEACE_MS) this.#backoff.reset();
    this.#check();
  }

  #check(): void {
    if (this.#isDisposed) return;
    const { clock, onChange } = this.#options;
    this.#timer?.[Symbol.dispose]();
    let nextMs = CHECK_MS;
    try {
      const state = this.#settle();
      if (state.kind === 'later') nextMs = state.delayMs;
      else onChange(state);
    } catch (cause) {
      onChange({ kind: 'failed', error: toAmbitError(cause) });
      nextMs = this.#backoff.nextMs();
    }
    this.#timer = clock.after(nextMs, () => this.#check());
  }

  #settle(): InstallState | { readonly kind: 'later'; readonly delayMs: number } {
    const { confName, settings, clock } = this.#options;
    const isBinaryNew = this.#installBinary();
    const file = chooseConfig(this.#files(), confName);
    if (!file) return { kind: 'waiting' };
    const change = withPlugin(file, settings);
    if (change.kind === 'invalid') return { kind: 'failed', error: new Error(change.reason) };
    if (change.kind === 'unchanged') return { kind: isBinaryNew ? 'installed' : 'intact', file: file.name };
    const nowMs = clock.nowMs();
    if (this.#lastWriteMs !== undefined && nowMs - this.#lastWriteMs < PEACE_MS) {
      const waitedMs = nowMs - this.#lastWriteMs;
      this.#fightDelayMs ??= this.#backoff.nextMs();
      if (waitedMs < this.#fightDelayMs) return { kind: 'later', delayMs: this.#fightDelayMs - waitedMs };
    }
    this.#carryOut(change, file);
    this.#lastWriteMs = nowMs;
    this.#fightDelayMs = undefined;
    return { kind: 'installed', file: change.file.name };
  }

  /** How long after our last write the next one may follow; undefined until somebody undid it. */
  #fightDelayMs: number | undefined;

  #installBinary(): boolean {
    const { binary, binDir } = this.#options;
    const target = join(binDir, PLUGIN_TYPE);
    if (digest(target) === digest(binary)) return false;
    mkdirSync(binDir, { recursive: true });
    const staged = join(binDir, `.${PLUGIN_TYPE}.${process.pid}`);
    copyFileSync(binary, staged);
    chmodSync(staged, 0o755);
    renameSync(staged, target);
    return true;
  }

  #files(): readonly ConfigFile[] {
    const { confDir } = this.#options;
    return names(confDir).flatMap((name) => {
      if (!isConfigName(name) || name.startsWith('.')) return [];
      try {
        const path = join(confDir, name);
        return statSync(path).size > MAX_CONFIG_BYTES ? [] : [{ name, text: readFileSync(path, 'utf8') }];
      } catch {
        // Gone since it was listed.
        return [];
      }
    });
  }

  /** Written beside and renamed, so that the runtime never reads half of it. The mode of the old file is kept. */
  #carryOut(change: ReturnType<typeof withPlugin>, old: ConfigFile): void {
    if (change.kind !== 'write') return;
    const { confDir } = this.#options;
    const target = join(confDir, change.file.name);
    const staged = join(confDir, `.${change.file.name}.ambit`);
    rmSync(staged, { force: true });
    writeFileSync(staged, change.file.text, { mode: 0o600, flag: 'wx' });
    chmodSync(staged, statSync(join(confDir, old.name)).mode & 0o777);
    renameSync(staged, target);
    if (change.remove !== undefined) rmSync(join(confDir, change.remove), { force: true });
  }
}

/** A folder that is not there yet is an empty one. */
function names(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function digest(path: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch {
    return undefined;
  }
}
