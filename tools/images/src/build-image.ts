/** Builds the image of one app, or one of the bases, from what lies on this machine. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { memoryEnvironment } from '@ambit/runtime';
import {
  APP_FOLDER,
  AGENT_PROGRAMS,
  entrypoint,
  imageName,
  labels,
  type AppImage,
  type BaseName,
} from './app-images.ts';
import { bundledPackages, spdxDocument, type NpmPackage } from './bill-of-materials.ts';
import { baseLayer, filterToolsLayer, programLayer, type HostLayer } from './host-layer.ts';
import { makeImage, makeLayer, type Image, type Layer } from './image-archive.ts';
import type { TarEntry } from './tar-entries.ts';

/** What all images of one run have in common. */
export interface BuildOptions {
  readonly root: string;
  readonly repository: string;
  readonly tag: string;
  readonly version: string;
  /** Commit of the sources; absent outside a repository. */
  readonly revision: string | undefined;
}

/** One image, and what is in it. */
export interface BuiltImage {
  readonly image: Image;
  /** SPDX document. */
  readonly billOfMaterials: string;
}

interface Base {
  readonly layers: readonly Layer[];
  readonly contents: readonly HostLayer[];
}

/** Keeps the layers that images share, so that they are made once in a run. */
export class ImageBuilder {
  readonly #options: BuildOptions;
  readonly #bases = new Map<BaseName, Base>();
  readonly #architecture: 'amd64' | 'arm64' = process.arch === 'arm64' ? 'arm64' : 'amd64';

  constructor(options: BuildOptions) {
    this.#options = options;
  }

  /** @throws Error when the app was not bundled, or a tool that belongs in the image is not on this machine */
  buildApp(image: AppImage): BuiltImage {
    const { root } = this.#options;
    const folder = join(root, 'apps', image.app, 'dist');
    if (!existsSync(join(folder, 'main.mjs'))) throw new Error(`apps/${image.app} is not bundled`);
    const base = this.#base(image.base);
    const own = makeLayer([...bundleEntries(folder), ...pluginEntries(image, root)], `ambit-images ${image.app}`);
    return this.#finish(image.app, base, [...base.layers, own], bundledPackages(folder), {
      title: image.title,
      user: image.user,
      entrypoint: entrypoint(image),
      environment: memoryEnvironment,
      ports: image.ports,
    });
  }

  /** The image that Dockerfiles begin with. */
  buildBase(name: BaseName): BuiltImage {
    const base = this.#base(name);
    return this.#finish(name, base, base.layers, [], {
      title: name === 'base' ? 'Ambit base: Node' : 'Ambit base: Node and packet filter tools',
      user: '1337:1337',
      entrypoint: [],
      environment: {},
      ports: [],
    });
  }

  /** NATS's server as this machine has it, for tests and clusters that can pull no image. */
  buildNats(searchPath: string): BuiltImage {
    const contents = programLayer('nats-server', searchPath);
    const layers = [makeLayer(contents.entries, 'nats-server of this machine')];
    return this.#finish('nats', { layers, contents: [contents] }, layers, [], {
      title: 'NATS server',
      user: '1337:1337',
      entrypoint: ['/usr/bin/nats-server'],
      environment: {},
      ports: [4222, 8222],
    });
  }

  #base(name: BaseName): Base {
    const known = this.#bases.get(name);
    if (known !== undefined) return known;
    const made = name === 'base' ? this.#makeBase() : this.#makeAgentBase();
    this.#bases.set(name, made);
    return made;
  }

  #makeBase(): Base {
    const contents = baseLayer(process.execPath, this.#architecture);
    return { layers: [makeLayer(contents.entries, `node ${process.version}`)], contents: [contents] };
  }

  #makeAgentBase(): Base {
    const below = this.#base('base');
    const [first] = below.contents;
    if (first === undefined) throw new Error('the base has no content');
    const contents = filterToolsLayer(first);
    return {
      layers: [...below.layers, makeLayer(contents.entries, 'iptables, nftables, ipset, util-linux of Debian')],
      contents: [...below.contents, contents],
    };
  }

  #finish(
    app: string,
    base: Base,
    layers: readonly Layer[],
    npm: readonly NpmPackage[],
    start: {
      readonly title: string;
      readonly user: string;
      readonly entrypoint: readonly string[];
      readonly environment: Readonly<Record<string, string>>;
      readonly ports: readonly number[];
    },
  ): BuiltImage {
    const { repository, tag, version, revision } = this.#options;
    const { title, ...settings } = start;
    const name = imageName(repository, app, tag);
    const image = makeImage(name, layers, {
      ...settings,
      architecture: this.#architecture,
      labels: {
        ...labels(title, version),
        ...(revision === undefined ? {} : { 'org.opencontainers.image.revision': revision }),
      },
    });
    const billOfMaterials = spdxDocument({
      name: app,
      version,
      digest: image.id,
      nodeVersion: app === 'nats' ? undefined : process.versions.node,
      npm,
      debian: base.contents.flatMap(({ packages }) => packages),
    });
    return { image, billOfMaterials };
  }
}

/** The bundle without its source maps, which take more room than it does and serve nobody without a debugger. */
function bundleEntries(folder: string): TarEntry[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.mjs') || name.endsWith('.node'))
    .map((name) => ({
      kind: 'file',
      path: `${APP_FOLDER}/${name}`,
      mode: name.endsWith('.node') ? 0o755 : 0o644,
      content: readFileSync(join(folder, name)),
    }));
}

function pluginEntries(image: AppImage, root: string): TarEntry[] {
  if (image.base !== 'base-cni-agent') return [];
  const plugin = join(root, 'apps', image.app, 'plugin');
  execFileSync('sh', [join(plugin, 'build.sh')], { stdio: ['ignore', 'inherit', 'inherit'] });
  return AGENT_PROGRAMS.map((name) => ({
    kind: 'file',
    path: `${APP_FOLDER}/${name}`,
    mode: 0o755,
    content: readFileSync(join(plugin, 'build', name)),
  }));
}
