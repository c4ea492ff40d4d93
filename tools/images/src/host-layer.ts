/** Layers that come from this machine: Node with what it needs, and the packet filter's tools for the node agent. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempDisposableSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packagesOf, type DebianPackage } from './debian-packages.ts';
import { fileEntry, hostFile, sharedLibraries, type HostFile } from './host-files.ts';
import type { TarEntry } from './tar-entries.ts';

/** Files of a layer, and the packages they were taken from. */
export interface HostLayer {
  readonly entries: readonly TarEntry[];
  readonly packages: readonly DebianPackage[];
  /** Paths in the image, so that a later layer does not repeat them. */
  readonly paths: ReadonlySet<string>;
}

const CA_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';

/** The C library's own modules for names, which it opens when it is asked; a part of it in newer versions. */
const NAME_SERVICES = ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2'];

const ACCOUNTS = [
  ['root', 0],
  ['ambit', 1337],
  ['nobody', 65_534],
] as const;

/**
 * Node, its libraries, certificates of public authorities, names of users. No shell, no package manager.
 * @param node the binary; debug symbols are taken out
 * @throws Error when a file that belongs in here is not on this machine
 */
export function baseLayer(node: string, architecture: string): HostLayer {
  const libraries = sharedLibraries([node]);
  const libraryFolder = libraries.find((file) => file.path.endsWith('/libc.so.6'))?.source.replace(/\/[^/]*$/, '');
  if (libraryFolder === undefined) throw new Error(`${node} is not linked with the C library of this machine`);
  const nameServices = NAME_SERVICES.map((name) => join(libraryFolder, name)).filter((path) => existsSync(path));
  if (!existsSync(CA_BUNDLE)) throw new Error(`${CA_BUNDLE} is missing: install the package ca-certificates`);
  const extra = [...nameServices, '/usr/lib/os-release'].map(hostFile);
  const files = unique([...libraries, ...sharedLibraries(nameServices), ...extra]);
  const sources = [...files.map((file) => file.source), '/usr/share/doc/ca-certificates/copyright'];
  return layerOf(files, packagesOf(sources), [
    { kind: 'file', path: 'usr/bin/node', mode: 0o755, content: stripped(node) },
    // Written by its package's script, so dpkg knows it under no package.
    { kind: 'file', path: CA_BUNDLE.slice(1), mode: 0o644, content: readFileSync(CA_BUNDLE) },
    ...mergedFolders(architecture),
    { kind: 'link', path: 'etc/os-release', target: '../usr/lib/os-release' },
    text('etc/passwd', ACCOUNTS.map(([name, id]) => `${name}:x:${id}:${id}::/:/nonexistent\n`).join('')),
    text('etc/group', ACCOUNTS.map(([name, id]) => `${name}:x:${id}:\n`).join('')),
    text('etc/nsswitch.conf', 'hosts: files dns\n'),
    { kind: 'folder', path: 'tmp', mode: 0o1777 },
    { kind: 'folder', path: 'var/run', mode: 0o755 },
  ]);
}

/** Folders that Debian merged into /usr. */
function mergedFolders(architecture: string): TarEntry[] {
  const names = ['bin', 'sbin', 'lib', ...(architecture === 'amd64' ? ['lib64'] : [])];
  return names.map((name) => ({ kind: 'link', path: name, target: `usr/${name}` }));
}

const FILTER_PROGRAMS = ['xtables-nft-multi', 'xtables-legacy-multi', 'nft', 'ipset'];
/** The agent runs two commands in one namespace by a shell: it is the one image that has one. */
const NAMESPACE_PROGRAMS = [
  '/usr/bin/nsenter',
  '/usr/bin/unshare',
  '/usr/bin/dash',
  '/usr/bin/cat',
  '/bin/ip',
  '/usr/bin/ss',
];

/**
 * iptables with both back ends, its modules, nft, ipset, ip, ss, nsenter, unshare and sh; for the node agent. The plain names
 * (`iptables`, `ip6tables-save`) are the nft back end, as in Debian.
 * @param below the layer this one lies upon
 */
export function filterToolsLayer(below: HostLayer): HostLayer {
  const programs = [...FILTER_PROGRAMS.map((name) => `/usr/sbin/${name}`), ...NAMESPACE_PROGRAMS];
  for (const program of programs) {
    if (!existsSync(program))
      throw new Error(`${program} is missing: install iptables, nftables, ipset, iproute2 and util-linux`);
  }
  const folder = modulesFolder();
  const modules = readdirSync(folder).map((name) => join(folder, name));
  const files = unique([...programs, ...modules].map(hostFile).concat(sharedLibraries([...programs, ...modules])));
  const added = files.filter((file) => !below.paths.has(file.path));
  const known = new Set(below.packages.map(({ name }) => name));
  const packages = packagesOf(added.map((file) => file.source)).filter(({ name }) => !known.has(name));
  return layerOf(added, packages, filterLinks());
}

/**
 * One program of this machine with its libraries and nothing else.
 * @throws Error when the search path has no such program
 */
export function programLayer(name: string, searchPath: string): HostLayer {
  const program = searchPath
    .split(':')
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
  if (program === undefined) throw new Error(`${name} is not on the PATH: install its package`);
  const libraries = sharedLibraries([program]);
  const packages = packagesOf([program, ...libraries.map((file) => file.source)]);
  const links = mergedFolders(process.arch === 'arm64' ? 'arm64' : 'amd64');
  const binary = fileEntry({ source: program, path: `usr/bin/${name}` });
  return layerOf(libraries, packages, [binary, ...links, { kind: 'folder', path: 'tmp', mode: 0o1777 }]);
}

/** Where iptables looks for its matches and targets. */
function modulesFolder(): string {
  const folders = readdirSync('/usr/lib').map((name) => `/usr/lib/${name}/xtables`);
  const folder = ['/usr/lib/xtables', ...folders].find((path) => existsSync(path));
  if (folder === undefined) throw new Error('no folder of iptables modules below /usr/lib: install iptables');
  return folder;
}

function filterLinks(): TarEntry[] {
  const links: TarEntry[] = [{ kind: 'link', path: 'usr/bin/sh', target: 'dash' }];
  for (const family of ['iptables', 'ip6tables']) {
    for (const action of ['', '-save', '-restore']) {
      for (const [variant, program] of [
        ['', 'nft'],
        ['-nft', 'nft'],
        ['-legacy', 'legacy'],
      ] as const) {
        const path = `usr/sbin/${family}${variant}${action}`;
        links.push({ kind: 'link', path, target: `xtables-${program}-multi` });
      }
    }
  }
  return links;
}

/** Adds what scanners and licences ask for: each package's entry of dpkg's database and its licence text. */
function layerOf(files: readonly HostFile[], packages: readonly DebianPackage[], made: readonly TarEntry[]): HostLayer {
  const records = packages.flatMap((owner): TarEntry[] => [
    text(`var/lib/dpkg/status.d/${owner.name}`, owner.control),
    ...(owner.copyright === undefined ? [] : [fileEntry(hostFile(owner.copyright))]),
  ]);
  const entries = [...files.map(fileEntry), ...made, ...records];
  return { entries, packages, paths: new Set(entries.map(({ path }) => path)) };
}

function unique(files: readonly HostFile[]): HostFile[] {
  return [...new Map(files.map((file) => [file.path, file])).values()];
}

function text(path: string, content: string): TarEntry {
  return { kind: 'file', path, mode: 0o644, content: Buffer.from(content) };
}

/** The binary without symbols: a fifth less to pull. The official build keeps them. */
function stripped(binary: string): Buffer {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-images-'));
  const copy = join(folder.path, 'node');
  try {
    execFileSync('strip', ['-o', copy, realpathSync(binary)], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (cause) {
    throw new Error('strip failed: install the package binutils', { cause });
  }
  return readFileSync(copy);
}
