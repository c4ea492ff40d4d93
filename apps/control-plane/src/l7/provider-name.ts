/** The one of that name, in whatever case, as Istio compares them. */
export function providerNamed<T extends { readonly name: string }>(
  providers: readonly T[],
  name: string,
): T | undefined {
  const wanted = name.toLowerCase();
  return providers.find((one) => one.name.toLowerCase() === wanted);
}
