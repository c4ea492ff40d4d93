/** Projects of the workspace as the rules see them. */

/** One project. */
export interface Project {
  readonly name: string;
  /** Folder relative to the root. */
  readonly root: string;
  readonly kind: string;
  readonly scope: string;
  readonly layer: number;
  /** Names of workspace projects it depends on, by Nx. */
  readonly edges: readonly string[];
  /** Names in `dependencies` of its manifest. */
  readonly dependencies: ReadonlySet<string>;
  /** Names in `devDependencies`. */
  readonly devDependencies: ReadonlySet<string>;
}

/** A module named in a source file. */
export interface ImportSite {
  readonly project: string;
  /** File relative to the root. */
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
}

/** A broken rule, in a sentence that says what to do. */
export interface Violation {
  readonly rule: 'tags' | 'layer' | 'kind' | 'scope' | 'cycle' | 'undeclared' | 'exports' | 'testing' | 'page';
  readonly place: string;
  readonly message: string;
}
