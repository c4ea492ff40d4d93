import { readFileSync } from 'node:fs';
import { systemClock, toAmbitError, watchDirectory, type Clock } from '@ambit/runtime';
import { brokenVersion, readFileVersion, type FileVersion } from './file-version.ts';
import { ObjectCatalogue } from './object-catalogue.ts';
import type { SourceReport } from './report.ts';
import type { ResourceKind, ResourceKinds } from './resource.ts';
import type { ResourceEvent, ResourceSource } from './resource-source.ts';
import { ResourceTable } from './resource-table.ts';
import { scanFolder, type ScannedFile } from './scan-folder.ts';

export interface FolderSourceOptions {
  /** Folders of YAML that people write. A folder may appear later; until then it counts as empty. */
  readonly manifestDirs: readonly string[];
  /** Folders of partial objects that machines write (`writePodStatus`), laid over the manifests of the same name. */
  readonly statusDirs?: readonly string[];
  /** Quiet time after the last change before files are read, milliseconds. Default 100. */
  readonly debounceMs?: number;
  /** Longest time a change waits while others keep coming, milliseconds. Default 1000. */
  readonly maxDelayMs?: number;
  /** Time between looks at the folder that need no file event, in case one was lost, milliseconds. Default 5000. */
  readonly rescanMs?: number;
  /** Larger files are refused. Default 32 MiB. */
  readonly maxFileBytes?: number;
  readonly clock?: Clock;
}

interface KnownFile {
  readonly stamp: string;
  readonly version: FileVersion;
}

/**
 * Watched folders of Kubernetes YAML as a source. The first read is done when the constructor returns. A change is
 * atomic: all files are read, then all differences are told as one batch. What cannot be used never removes what was
 * in force before; `reports()` says why, with file and line. Disposing stops watching; the last state stays readable.
 */
export class FolderSource implements ResourceSource, Disposable {
  readonly #options: Required<FolderSourceOptions>;
  readonly #table = new ResourceTable();
  readonly #catalogue = new ObjectCatalogue();
  #files: ReadonlyMap<string, KnownFile> = new Map();
  readonly #watches = new Map<string, Disposable>();
  #pending: Disposable | undefined;
  #pendingSinceMs = 0;
  #rescan: Disposable | undefined;
  #isDisposed = false;

  constructor(options: FolderSourceOptions) {
    this.#options = {
      statusDirs: [],
      debounceMs: 100,
      maxDelayMs: 1000,
      rescanMs: 5000,
      maxFileBytes: 32 * 1024 * 1024,
      clock: systemClock,
      ...options,
    };
    this.refresh();
    this.#rescanLater();
  }

  list<K extends ResourceKind>(kind: K): readonly ResourceKinds[K][] {
    return this.#table.list(kind);
  }

  reports(): readonly SourceReport[] {
    return this.#table.reports();
  }

  subscribe(handler: (events: readonly ResourceEvent[]) => void): Disposable {
    return this.#table.subscribe(handler);
  }

  onReportsChanged(handler: () => void): Disposable {
    return this.#table.onReportsChanged(handler);
  }

  /** Reads what changed since the last time, now. */
  refresh(): void {
    this.#pending?.[Symbol.dispose]();
    this.#pending = undefined;
    const files = new Map<string, KnownFile>();
    const directories = new Set<string>();
    let manifests: FileVersion[];
    let overlays: FileVersion[];
    try {
      manifests = this.#readFolders(this.#options.manifestDirs, files, directories);
      overlays = this.#readFolders(this.#options.statusDirs, files, directories);
    } catch {
      // Folders that cannot be listed are not empty: what was known holds until the next scan.
      return;
    }
    const isUnchanged =
      files.size === this.#files.size && [...files].every(([path, file]) => this.#files.get(path) === file);
    this.#files = files;
    this.#watch(directories);
    if (isUnchanged) return;
    const { resources, reports } = this.#catalogue.combine(manifests, overlays);
    this.#table.replace(resources, reports);
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#pending?.[Symbol.dispose]();
    this.#rescan?.[Symbol.dispose]();
    for (const watch of this.#watches.values()) watch[Symbol.dispose]();
    this.#watches.clear();
  }

  #readFolders(roots: readonly string[], files: Map<string, KnownFile>, directories: Set<string>): FileVersion[] {
    const versions: FileVersion[] = [];
    for (const root of roots) {
      const scanned = scanFolder(root);
      for (const directory of scanned.directories) directories.add(directory);
      for (const file of scanned.files) {
        const known = this.#readFile(file);
        files.set(file.path, known);
        versions.push(known.version);
      }
    }
    return versions;
  }

  #readFile(file: ScannedFile): KnownFile {
    const known = this.#files.get(file.path);
    if (known?.stamp === file.stamp) return known;
    const start = { file: file.path, line: 1, column: 1 };
    if (file.sizeBytes > this.#options.maxFileBytes) {
      const message = `this file is larger than ${this.#options.maxFileBytes} bytes; split it`;
      return { stamp: file.stamp, version: brokenVersion(file.path, start, message, known?.version) };
    }
    try {
      const text = readFileSync(file.path, 'utf8');
      return { stamp: file.stamp, version: readFileVersion(file.path, text, known?.version) };
    } catch (error) {
      const message = `this file cannot be read: ${toAmbitError(error).message}`;
      return { stamp: 'unreadable', version: brokenVersion(file.path, start, message, known?.version) };
    }
  }

  #watch(directories: ReadonlySet<string>): void {
    if (this.#isDisposed) return;
    for (const [directory, watch] of this.#watches) {
      if (directories.has(directory)) continue;
      watch[Symbol.dispose]();
      this.#watches.delete(directory);
    }
    for (const directory of directories) {
      if (this.#watches.has(directory)) continue;
      this.#watches.set(directory, watchDirectory(directory, { debounceMs: 0, onChange: () => this.#changed() }));
    }
  }

  #changed(): void {
    if (this.#isDisposed) return;
    const { clock, debounceMs, maxDelayMs } = this.#options;
    if (this.#pending === undefined) this.#pendingSinceMs = clock.nowMs();
    this.#pending?.[Symbol.dispose]();
    const restMs = this.#pendingSinceMs + maxDelayMs - clock.nowMs();
    this.#pending = clock.after(Math.max(0, Math.min(debounceMs, restMs)), () => this.refresh());
  }

  #rescanLater(): void {
    this.#rescan = this.#options.clock.after(this.#options.rescanMs, () => {
      this.refresh();
      this.#rescanLater();
    });
  }
}
