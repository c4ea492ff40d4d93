/** What each image is made of and how it starts. Pure; the builder, the Dockerfiles and the documentation follow it. */

/** Layers below the app's own. */
export type BaseName = 'base' | 'base-cni-agent';

/** One app's image. */
export interface AppImage {
  readonly app: string;
  readonly base: BaseName;
  readonly title: string;
  /** `uid:gid`, numeric, so that Kubernetes can see that it is not root. */
  readonly user: string;
  /** Options of Node before the program. */
  readonly nodeOptions: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** TCP ports it serves by default. */
  readonly ports: readonly number[];
}

/** Where the bundle lies in each image. */
export const APP_FOLDER = 'app';

/** Static programs beside the node agent's bundle: the plugin that it installs on its node, and its look into namespaces. */
export const AGENT_PROGRAMS: readonly string[] = ['ambit-cni', 'ambit-netns'];

/** V8's heaps sized for one process of many: some 15 MiB less after load, and nothing that a benchmark shows. */
const SMALL_HEAPS = ['--optimize-for-size', '--heap-growing-percent=30'];

/** A node proxy's code is at its speed after some hundred connections with these, instead of some thousand. */
const EARLY_CODE = [
  '--invocation-count-for-maglev=100',
  '--invocation-count-for-turbofan=1000',
  '--minimum-invocations-after-ic-update=100',
];

/**
 * V8 marks the heap of a large mesh for a third of a second, during which pushes wait: room for short-lived objects, and for as
 * much garbage as there is mesh, make that a matter of minutes instead of seconds under constant change.
 */
const ROOMY_HEAP = ['--min-semi-space-size=16', '--heap-growing-percent=100'];

/** One heap of the C library for all threads: each further one costs some 3 MiB. */
const ONE_ARENA = { MALLOC_ARENA_MAX: '1' };

/** All images, in the order in which they are built. */
export const APP_IMAGES: readonly AppImage[] = [
  {
    app: 'ztunnel',
    base: 'base',
    title: 'Ambit node proxy',
    // Other pods' namespaces can be entered by root only; the group keeps its own traffic out of any capture.
    user: '0:1337',
    nodeOptions: [...SMALL_HEAPS, ...EARLY_CODE],
    environment: ONE_ARENA,
    ports: [15_008, 15_020, 15_021],
  },
  {
    app: 'cni-agent',
    base: 'base-cni-agent',
    title: 'Ambit node agent',
    user: '0:0',
    nodeOptions: SMALL_HEAPS,
    environment: ONE_ARENA,
    ports: [8000, 15_014],
  },
  {
    app: 'control-plane',
    base: 'base',
    title: 'Ambit control plane',
    user: '1337:1337',
    nodeOptions: ROOMY_HEAP,
    environment: ONE_ARENA,
    ports: [8080, 15_012, 15_014, 15_017],
  },
  {
    app: 'waypoint',
    base: 'base',
    title: 'Ambit waypoint and gateway',
    user: '1337:1337',
    nodeOptions: SMALL_HEAPS,
    environment: ONE_ARENA,
    ports: [15_008, 15_020, 15_021],
  },
  {
    app: 'ca',
    base: 'base',
    title: 'Ambit certificate authority',
    user: '1337:1337',
    nodeOptions: [],
    environment: ONE_ARENA,
    ports: [15_013, 15_015],
  },
];

/** Name of an image in a registry; the default stands for images that were loaded by hand and can never be pulled. */
export function imageName(repository: string, app: string, tag: string): string {
  return `${repository}/${app}:${tag}`;
}

/** How the container starts; `node` is looked up in the search path, so that other images of Node can be the base. */
export function entrypoint(image: AppImage): readonly string[] {
  return ['node', ...image.nodeOptions, `/${APP_FOLDER}/main.mjs`];
}

/** Labels that do not change between builds. */
export function labels(title: string, version: string): Readonly<Record<string, string>> {
  return {
    'org.opencontainers.image.title': title,
    'org.opencontainers.image.vendor': 'Ambit',
    'org.opencontainers.image.licenses': 'Apache-2.0',
    'org.opencontainers.image.version': version,
  };
}
