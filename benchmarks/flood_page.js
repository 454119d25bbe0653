// What a flood does to the page of a viewer, as the browser measures it (benchmarks/flood.py): how late it answers, what moves by
// itself, for how long it does nothing else. The first script of the page.

globalThis.flood = { interactions: {}, shifts: [], tasks: [] };

const watch = (type, options, note) =>
  new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type, buffered: true, ...options });

watch("event", { durationThreshold: 16 }, ({ interactionId, duration, name, target }) => {
  const { interactions } = flood;
  if (interactionId && duration > (interactions[interactionId]?.duration ?? 0)) interactions[interactionId] = { duration, name, on: target?.id || target?.className || "" };
});
watch("layout-shift", {}, ({ startTime, value, hadRecentInput, sources }) => {
  if (!hadRecentInput) flood.shifts.push([startTime, value, sources.map(({ node }) => node?.id || node?.className || node?.nodeName || "").slice(0, 3)]);
});
watch("longtask", {}, ({ startTime, duration }) => flood.tasks.push([startTime, duration]));
