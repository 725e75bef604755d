/**
 * Those who want to hear of the end of a signal. It may be one of a whole server, with more syncs than Node thinks a
 * signal should have listeners.
 */
const listeners = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls a function when a signal ends, until the result is called. */
export function onAbort(signal: AbortSignal, stop: () => void): () => void {
  const all = listeners.get(signal) ?? listen(signal);
  all.add(stop);
  return () => void all.delete(stop);
}

function listen(signal: AbortSignal): Set<() => void> {
  const all = new Set<() => void>();
  listeners.set(signal, all);
  signal.addEventListener("abort", () => all.forEach((stop) => stop()), { once: true });
  return all;
}
