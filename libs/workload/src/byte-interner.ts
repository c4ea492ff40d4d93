import { HashIndex, hashText, spread } from './hash-index.ts';

const utf8: TextDecoder = new TextDecoder();

/**
 * Numbers for strings that repeat (networks, nodes, zones, service names), found by their bytes without making a string.
 * Never forgets: their number is that of the places and services of a mesh, not that of its workloads.
 */
export class ByteInterner {
  readonly #index = new HashIndex();
  readonly #texts: string[] = [];
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;
  #wanted = '';

  readonly #hasBytes = (id: number): boolean => {
    const text = this.#texts[id] ?? '';
    if (text.length !== this.#end - this.#start) return false;
    for (let i = 0; i < text.length; i++) {
      if (text.charCodeAt(i) !== this.#bytes[this.#start + i]) return false;
    }
    return true;
  };
  readonly #hasText = (id: number): boolean => this.#texts[id] === this.#wanted;

  /** The number of a string, given out when it is new. */
  id(text: string): number {
    const known = this.find(text);
    return known < 0 ? this.#add(text, hashText(text)) : known;
  }

  /** The number of a string, or -1 when it has none. */
  find(text: string): number {
    this.#wanted = text;
    return this.#index.find(hashText(text), this.#hasText);
  }

  /** The number of the string that these bytes spell. */
  idOfBytes(bytes: Uint8Array, start: number, end: number): number {
    // The same hash as hashText, as long as every byte is a character.
    let hash = 0x811c9dc5;
    for (let i = start; i < end; i++) {
      const byte = bytes[i] ?? 0;
      if (byte >= 0x80) return this.id(utf8.decode(Uint8Array.from(bytes.subarray(start, end))));
      hash = Math.imul(hash ^ byte, 0x01000193);
    }
    hash = spread(hash);
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    const known = this.#index.find(hash, this.#hasBytes);
    if (known >= 0) return known;
    return this.#add(String.fromCharCode(...bytes.subarray(start, end)), hash);
  }

  /** The string of a number. */
  text(id: number): string {
    return this.#texts[id] ?? '';
  }

  #add(text: string, hash: number): number {
    const id = this.#texts.length;
    this.#texts.push(text);
    this.#index.insert(hash, id);
    return id;
  }
}
