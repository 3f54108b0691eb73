// Draws the page's figures when they come near the reader's sight, in the colours of its style sheet; again when the
// reader's colour scheme changes, and all of them on white at the width of a sheet for print. Opened for a picture
// (page.html#picture) all of them are drawn at once: nobody scrolls, and the picture may be taken before any sight.
(function () {
  "use strict";
  // In pixels; the frame of a figure with named rows is what stands above and below them.
  const SHEET = {width: 700, shrink: 0.62, tallest: 400, frame: 90};
  const SCREEN = {width: undefined, shrink: 1, tallest: Infinity};
  const CONFIG = {responsive: true, displayModeBar: false};
  const NARROW = 520;  // pixels: a phone
  const PICTURE = "#picture";
  const LONGEST_LABEL = 12;  // characters of a heat map's row on a phone
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  const source = window.page;
  const withDates = (trace) => (typeof trace.x === "number" ? {...trace, x: source.dates[trace.x]} : trace);
  const plots = Object.entries(source.figures).map(([name, figure]) => ({
    element: document.getElementById(name),
    figure: {...figure, data: figure.data.map(withDates)},
    isDrawn: false,
  }));

  function template(colours) {
    const axis = {
      gridcolor: colours.grid,
      linecolor: colours.axis,
      zerolinecolor: colours.axis,
      zerolinewidth: 1,
      tickcolor: colours.axis,
      automargin: true,
      title: {standoff: 8, font: {size: 12}},
    };
    return {layout: {
      font: {family: getComputedStyle(document.body).fontFamily, size: 12, color: colours.ink},
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      hoverlabel: {bgcolor: colours.raised, bordercolor: colours.axis, font: {color: colours.ink}},
      xaxis: {...axis, showgrid: false, showline: true, ticks: "outside", ticklen: 4},
      yaxis: axis,
    }};
  }

  function screenColours() {
    const style = getComputedStyle(document.documentElement);
    const names = ["ink", "raised", "grid", "axis"];
    return Object.fromEntries(names.map((name) => [name, style.getPropertyValue("--" + name).trim()]));
  }

  // On a phone the names of a heat map's rows would leave its cells no room; the whole name is in the hover text.
  function narrowed(figure, layout) {
    const heatmap = figure.data.find((trace) => trace.type === "heatmap");
    const short = (name) => (name.length > LONGEST_LABEL ? name.slice(0, LONGEST_LABEL - 1) + "…" : name);
    const kind = (name) => name.slice(0, name.indexOf(" ") + 1);  // "Industry " of most limits tells none from another
    const margin = {...layout.margin, l: 44, r: 6};
    const font = {...layout.font, size: 10};
    if (!heatmap) return {...layout, margin, font, yaxis: {...layout.yaxis, title: undefined}};
    const rows = heatmap.y.map(String);
    const kinds = rows.map(kind);
    const commonest = kinds.find((each) => kinds.filter((other) => other === each).length > rows.length / 2);
    const label = (name) => short(commonest && name.startsWith(commonest) ? name.slice(commonest.length) : name);
    const yaxis = {...layout.yaxis, tickmode: "array", tickvals: rows, ticktext: rows.map(label), tickfont: {size: 9}};
    return {...layout, margin, font, yaxis};
  }

  // Where a sheet makes a figure with named rows lower, the names are written as small as the rows are.
  function lowered(figure, layout) {
    const named = figure.data.find((trace) => trace.type === "heatmap" || trace.orientation === "h");
    if (!named || layout.height === figure.layout.height) return layout;
    const size = Math.max(4, Math.min(9, 0.8 * (layout.height - SHEET.frame) / named.y.length));
    return {...layout, yaxis: {...layout.yaxis, tickfont: {size}}};
  }

  function draw(plot, colours, medium) {
    const {element, figure} = plot;
    const height = Math.min(figure.layout.height * medium.shrink, medium.tallest);
    const whole = {
      ...figure.layout,
      template: template(colours),
      width: medium.width,
      height,
      autosize: medium.width === undefined,
    };
    const isNarrow = medium.width === undefined && element.clientWidth < NARROW;
    element.style.height = height + "px";
    Plotly.react(element, figure.data, isNarrow ? narrowed(figure, whole) : lowered(figure, whole), CONFIG);
    plot.isDrawn = true;
  }

  function drawForScreen() {
    const colours = screenColours();
    plots.filter((plot) => plot.isDrawn).forEach((plot) => draw(plot, colours, SCREEN));
  }

  const sight = new IntersectionObserver((entries) => {
    for (const {isIntersecting, target} of entries) {
      if (!isIntersecting) continue;
      sight.unobserve(target);
      draw(plots.find(({element}) => element === target), screenColours(), SCREEN);
    }
  }, {rootMargin: "300px 0px"});
  if (location.hash === PICTURE) plots.forEach((plot) => draw(plot, screenColours(), SCREEN));
  else plots.forEach(({element}) => sight.observe(element));
  scheme.addEventListener("change", drawForScreen);
  window.addEventListener("beforeprint", () => {
    const colours = {ink: "#000000", raised: "#ffffff", grid: "#e8ecf0", axis: "#999999"};
    plots.forEach((plot) => draw(plot, colours, SHEET));
  });
  window.addEventListener("afterprint", drawForScreen);
})();
