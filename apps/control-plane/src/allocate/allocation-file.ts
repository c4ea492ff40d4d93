import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AmbitError } from '@ambit/runtime';
import { type AllocatorState, emptyAllocatorState } from './address-allocator.ts';

/**
 * Reads the state an allocator left. A missing file is an empty state; a damaged one throws `ALLOCATION_FILE`, because
 * starting anew would give addresses that clients hold to other services.
 */
export function readAllocatorState(file: string): AllocatorState {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return emptyAllocatorState;
    throw damaged(file, cause);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damaged(file, cause);
  }
  if (!isState(value)) throw damaged(file);
  return value;
}

/** Replaces the file as a whole. Throws what the file system throws. */
export function writeAllocatorState(file: string, state: AllocatorState): void {
  const directory = dirname(file);
  mkdirSync(directory, { recursive: true });
  const temporary = join(directory, `.allocations.${process.pid}.tmp`);
  writeFileSync(temporary, `${JSON.stringify(state, undefined, 1)}\n`);
  renameSync(temporary, file);
}

function isState(value: unknown): value is AllocatorState {
  if (typeof value !== 'object' || value === null || !('next' in value) || !('assigned' in value)) return false;
  const { next, assigned } = value;
  if (!isNumber(next) || typeof assigned !== 'object' || assigned === null) return false;
  return Object.values(assigned).every(isNumber);
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535;
}

function damaged(file: string, cause?: unknown): AmbitError {
  const message = `${file} is not a list of allocated addresses; restore it, or delete it to allocate anew`;
  return new AmbitError('ALLOCATION_FILE', message, { source: 'internal', cause });
}
