/** What routing may look at. Read on demand: nothing is decoded that no route asks for. */
export interface RoutedRequest {
  readonly method: string;
  readonly scheme: string;
  /** Host or `:authority` as sent. */
  readonly authority: string;
  /** Normalised. */
  readonly path: string;
  /** Empty, or with its question mark. */
  readonly query: string;
  /** By lower-case name; repeated fields joined with a comma; undefined if absent. */
  header(lowerName: string): string | undefined;
  /** Strings at a path of claims of the verified token; empty without one. */
  claim(path: readonly string[]): readonly string[];
}
