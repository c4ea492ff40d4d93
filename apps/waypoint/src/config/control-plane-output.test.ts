/** What the control plane derives, by its golden files, is what this proxy takes: the contract between the two. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { proxy } from '@ambit/api';
import { type DescMessage, fromJson, toBinary } from '@bufbuild/protobuf';
import { parse } from 'yaml';

import { compileDestination } from './destination.ts';
import type { Compiled } from './problems.ts';
import { compileProxy } from './proxy.ts';
import { compileServer } from './server.ts';

const folder = path.resolve(import.meta.dirname, '../../../control-plane/testdata/l7');
const files = globSync('*.out.yaml', { cwd: folder });

function bytesOf(schema: DescMessage, json: unknown): Uint8Array {
  return toBinary(schema, fromJson(schema, json as never));
}

test('there is something to compare with', () => {
  assert.ok(files.length >= 5, `${files.length} golden files in ${folder}`);
});

for (const file of files) {
  test(`everything in ${file} is taken without a problem`, () => {
    const output = parse(readFileSync(path.join(folder, file), 'utf8')) as Readonly<Record<string, unknown>>;
    const check = (name: string, compiled: Compiled<unknown>): void => {
      assert.deepEqual(compiled.kind === 'bad' ? compiled.problems : [], [], name);
    };
    for (const one of (output['proxies'] ?? []) as readonly unknown[])
      check('proxy', compileProxy(bytesOf(proxy.ProxySchema, one)));
    for (const [name, one] of Object.entries(output['destinations'] ?? {})) {
      check(name, compileDestination(bytesOf(proxy.DestinationSchema, one)));
    }
    for (const [name, one] of Object.entries(output['servers'] ?? {})) {
      check(name, compileServer(bytesOf(proxy.ServerSchema, one)));
    }
  });
}
