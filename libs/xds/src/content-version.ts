import xxhash from 'xxhash-wasm';

/** Version string of a resource's exact bytes. Equal bytes give equal strings, also after a restart. */
export type ContentVersion = (value: Uint8Array) => string;

/**
 * 64-bit xxHash with seed 0 as lower-case hex without leading zeros, as istiod prints it for Address resources.
 * Asynchronous because the hash is a WebAssembly module that has to be compiled once.
 * Spec: control-plane.md section 1.8, content-hash versions.
 */
export async function createContentVersion(): Promise<ContentVersion> {
  const api = await xxhash();
  return (value) => api.h64Raw(value, 0n).toString(16);
}
