import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takeBuiltinsAtRunTime } from './builtin-imports.ts';

const get = (name: string): string => `process.getBuiltinModule("node:${name}")`;

test('names, the whole and both are taken at run time, and nothing else changes', () => {
  const table = [
    ['import{createServer}from"node:http";', `const{createServer}=${get('http')};`],
    ['import{a as b,c,d as $e}from"node:fs";', `const{a:b,c,d:$e}=${get('fs')};`],
    ['import zlib from"node:zlib";', `const zlib=${get('zlib')};`],
    ['import * as tls from "node:tls";', `const tls=${get('tls')};`],
    ['import{constants}from"node:http2";', `const{constants}=${get('http2')};`],
    ['import os,{cpus}from"node:os";', `const os=${get('os')};const{cpus}=${get('os')};`],
    ['import{delay}from"node:timers/promises";', `const{delay}=${get('timers/promises')};`],
    ['import{x}from"./other.mjs";', 'import{x}from"./other.mjs";'],
    ['const text="import";', 'const text="import";'],
  ] as const;
  for (const [before, after] of table) assert.equal(takeBuiltinsAtRunTime(before), after);
  assert.equal(
    takeBuiltinsAtRunTime(table.map(([before]) => before).join('')),
    table.map(([, after]) => after).join(''),
  );
});
