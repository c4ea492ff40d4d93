/** Images that every lab needs, and root folders that others can build on. All from files of this machine. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { mustRun, runCommand } from '@ambit/runtime';
import { writeImage } from '../image/image-archive.ts';
import type { CachePaths } from '../lab-paths.ts';
import type { Progress } from '../progress.ts';
import { buildOnce, contentKey } from './built-record.ts';

/** Names inside the cluster. */
export const imageNames = {
  pause: 'localhost/ambit-kube-lab/pause:1',
  busybox: 'localhost/ambit-kube-lab/busybox:1',
  coredns: 'localhost/ambit-kube-lab/coredns:1',
  node: 'localhost/ambit-kube-lab/node:1',
} as const;

const BUSYBOX = '/bin/busybox';
const WRITER_SOURCES = ['image-archive.ts', 'layer-source.ts', 'tar-layer.ts'].map((file) =>
  join(import.meta.dirname, '../image', file),
);

/** pause, busybox and, where that program is built, coredns. */
export async function buildBaseImages(cache: CachePaths, progress: Progress): Promise<void> {
  mkdirSync(cache.images, { recursive: true });
  const source = join(import.meta.dirname, '../../assets/pause.c');
  const pause = cache.program('pause');
  await buildOnce(
    {
      file: pause,
      key: contentKey([], [source]),
      build: async () => void (await mustRun(['gcc', '-static', '-Os', '-s', '-o', pause, source])),
    },
    progress,
  );
  await buildProgramImage('pause', pause, cache, progress);
  await buildOnce(
    {
      file: cache.image('busybox'),
      key: contentKey([], [BUSYBOX, import.meta.filename, ...WRITER_SOURCES]),
      build: async () => {
        const folder = await makeBusyboxFolder(cache);
        writeImage(cache.image('busybox'), {
          name: imageNames.busybox,
          layers: [{ kind: 'folder', folder, destination: '' }],
          command: ['sh'],
        });
      },
    },
    progress,
  );
  if (existsSync(cache.program('coredns')))
    await buildProgramImage('coredns', cache.program('coredns'), cache, progress);
}

/** busybox with Node.js, the shared libraries it asks for, and CA certificates: for small services in tests. */
export async function buildNodeImage(
  cache: CachePaths,
  progress: Progress,
  program: string = process.execPath,
): Promise<void> {
  await buildBaseImages(cache, progress);
  const node = realpathSync(program);
  await buildOnce(
    {
      file: cache.image('node'),
      key: contentKey([], [node, BUSYBOX, import.meta.filename, ...WRITER_SOURCES]),
      build: async () => {
        const folder = await makeNodeFolder(cache, node);
        writeImage(cache.image('node'), {
          name: imageNames.node,
          layers: [join(cache.rootFolders, 'busybox'), folder].map((one) => ({
            kind: 'folder',
            folder: one,
            destination: '',
          })),
          command: ['node'],
        });
      },
    },
    progress,
  );
}

/** An image that holds one static program and nothing else. */
async function buildProgramImage(
  name: 'pause' | 'coredns',
  program: string,
  cache: CachePaths,
  progress: Progress,
): Promise<void> {
  await buildOnce(
    {
      file: cache.image(name),
      key: contentKey([], [program, ...WRITER_SOURCES]),
      build: async () =>
        writeImage(cache.image(name), {
          name: imageNames[name],
          layers: [{ kind: 'file', file: program, destination: name }],
          entrypoint: [`/${name}`],
        }),
    },
    progress,
  );
}

async function makeBusyboxFolder(cache: CachePaths): Promise<string> {
  const root = join(cache.rootFolders, 'busybox');
  rmSync(root, { recursive: true, force: true });
  for (const folder of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev', 'root', 'run'])
    mkdirSync(join(root, folder), { recursive: true });
  chmodSync(join(root, 'tmp'), 0o1777);
  copyFileSync(BUSYBOX, join(root, 'bin/busybox'));
  const applets = (await mustRun([BUSYBOX, '--list'])).trim().split('\n');
  for (const applet of applets) if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
  const nobody = 'nobody:x:65534:65534:nobody:/:/bin/false';
  writeFileSync(join(root, 'etc/passwd'), `root:x:0:0:root:/root:/bin/sh\n${nobody}\n`);
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  return root;
}

async function makeNodeFolder(cache: CachePaths, node: string): Promise<string> {
  const root = join(cache.rootFolders, 'node');
  rmSync(root, { recursive: true, force: true });
  const copy = (file: string, to: string = file): void => {
    mkdirSync(join(root, dirname(to)), { recursive: true });
    copyFileSync(file, join(root, to));
  };
  copy(node, 'usr/local/bin/node');
  await runCommand(['strip', join(root, 'usr/local/bin/node')]);
  const libraries = (await mustRun(['ldd', node])).match(/\/[^ ]+/g) ?? [];
  for (const library of libraries) copy(library);
  // Names are looked up by libraries that are opened at run time, so the loader does not tell of them.
  const folder = dirname(libraries.find((library) => library.endsWith('/libc.so.6')) ?? '');
  for (const name of ['libnss_files.so.2', 'libnss_dns.so.2', 'libresolv.so.2'])
    if (existsSync(join(folder, name))) copy(join(folder, name));
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(root, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  copy('/etc/ssl/certs/ca-certificates.crt');
  return root;
}
